// The lease as it arrives: the service's opt-in or denial (docs/formats/lease.md).

import DumpFormat

/// The version this code writes and reads.
///
/// - 1: first version.
public let leaseFormatVersion: UInt8 = 1

/// Where a lease's fields lie, bytes from its start.
enum LeaseLayout {
  static let signature = 3
  static let verdict = 4
  static let dumpsPerFingerprint = 5
  static let extensions = 6
  static let nonce = 8
  static let epoch = 24
  static let lifetime = 28
  static let deviceID = 32
}

/// A lease whose bytes are in order. Whether it is for this device and this request is held against
/// both in ``ConsentGate/accept(_:deviceID:nonce:at:)``.
public struct Lease: Sendable {
  /// Bytes in front of the extensions.
  public static let fixedSize = 96
  /// Bytes of the whole lease at most, so that it fits in one frame.
  public static let largestSize = 240
  /// Seconds a lease may last at most: 48 hours.
  public static let longestLifetime: UInt32 = 172_800
  /// Bytes of a device id.
  public static let deviceIDSize = 64
  /// Bytes of a nonce.
  public static let nonceSize = 16
  /// "ML", little endian.
  static let magic: UInt16 = 0x4C4D

  public var isAllowed: Bool
  /// How many dumps of one fingerprint to keep; 0 leaves it to the device.
  public var dumpsPerFingerprint: UInt8
  public var nonce: InlineArray<16, UInt8>
  public var epoch: UInt32
  /// Seconds from receipt.
  public var lifetime: UInt32
  public var deviceID: InlineArray<64, UInt8>

  public init(
    isAllowed: Bool, dumpsPerFingerprint: UInt8, nonce: InlineArray<16, UInt8>, epoch: UInt32,
    lifetime: UInt32, deviceID: InlineArray<64, UInt8>
  ) {
    self.isAllowed = isAllowed
    self.dumpsPerFingerprint = dumpsPerFingerprint
    self.nonce = nonce
    self.epoch = epoch
    self.lifetime = lifetime
    self.deviceID = deviceID
  }

  /// Bytes that ``encode(to:)`` writes.
  public var encodedSize: Int { Self.fixedSize + 4 }

  /// Writes the lease without extensions, checksum included.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    bytes.store16(Self.magic, at: 0)
    bytes.store8(leaseFormatVersion, at: 2)
    bytes.store8(0, at: 3)
    bytes.store8(isAllowed ? 1 : 0, at: 4)
    bytes.store8(dumpsPerFingerprint, at: 5)
    bytes.store16(0, at: 6)
    (bytes + 8).storeBytes(of: nonce, as: InlineArray<16, UInt8>.self)
    bytes.store32(epoch, at: 24)
    bytes.store32(lifetime, at: 28)
    (bytes + 32).storeBytes(of: deviceID, as: InlineArray<64, UInt8>.self)
    let covered = UnsafeRawBufferPointer(start: bytes, count: Self.fixedSize)
    bytes.store32(CRC32C.checksum(covered), at: Self.fixedSize)
  }

  /// What is wrong with a lease's bytes, whoever it is for. Any bytes are safe to pass.
  public static func check(_ bytes: UnsafeRawBufferPointer) -> LeaseRefusal {
    guard bytes.count >= Self.fixedSize + 4, bytes.count <= Self.largestSize,
      let base = bytes.baseAddress, base.load16(at: 0) == Self.magic
    else { return .malformed }
    guard base.load8(at: 2) == leaseFormatVersion else { return .otherVersion }
    guard base.load8(at: LeaseLayout.signature) == 0 else { return .signature }
    let covered = Self.fixedSize + Int(base.load16(at: LeaseLayout.extensions))
    guard covered + 4 == bytes.count else { return .malformed }
    // Extensions may have any length.
    guard CRC32C.checksum(base, count: covered) == check(at: base + covered) else {
      return .damaged
    }
    guard base.load8(at: LeaseLayout.verdict) <= 1 else { return .malformed }
    guard base.load32(at: LeaseLayout.lifetime) <= Self.longestLifetime else {
      return .lifetimeTooLong
    }
    return .accepted
  }

  /// Four bytes at any address.
  private static func check(at bytes: UnsafeRawPointer) -> UInt32 {
    UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
  }

  /// Reads a lease. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(LeaseRefusal) {
    let flaw = Self.check(bytes)
    guard flaw == .accepted, let base = bytes.baseAddress else { throw flaw }
    isAllowed = base.load8(at: LeaseLayout.verdict) == 1
    dumpsPerFingerprint = base.load8(at: LeaseLayout.dumpsPerFingerprint)
    nonce = (base + LeaseLayout.nonce).loadUnaligned(as: InlineArray<16, UInt8>.self)
    epoch = base.load32(at: LeaseLayout.epoch)
    lifetime = base.load32(at: LeaseLayout.lifetime)
    deviceID = (base + LeaseLayout.deviceID).loadUnaligned(as: InlineArray<64, UInt8>.self)
  }
}
