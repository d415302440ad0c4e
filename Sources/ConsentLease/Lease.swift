// The lease as it arrives: the service's opt-in or denial (docs/formats/lease.md).

import DumpFormat

/// The version this code writes and reads.
///
/// - 1: first version.
public let leaseFormatVersion: UInt8 = 1

/// A lease whose bytes are in order. Whether it is for this device and this request is held against
/// both in ``ConsentGate/accept(_:)``.
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

  /// Reads a lease. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(LeaseRefusal) {
    guard bytes.count >= Self.fixedSize + 4, bytes.count <= Self.largestSize,
      let base = bytes.baseAddress, base.load16(at: 0) == Self.magic
    else { throw .malformed }
    guard base.load8(at: 2) == leaseFormatVersion else { throw .otherVersion }
    guard base.load8(at: 3) == 0 else { throw .signature }
    let covered = Self.fixedSize + Int(base.load16(at: 6))
    guard covered + 4 == bytes.count else { throw .malformed }
    let crc = CRC32C.checksum(UnsafeRawBufferPointer(start: base, count: covered))
    guard crc == base.load32(at: covered) else { throw .damaged }
    let verdict = base.load8(at: 4)
    guard verdict <= 1 else { throw .malformed }
    isAllowed = verdict == 1
    dumpsPerFingerprint = base.load8(at: 5)
    nonce = (base + 8).loadUnaligned(as: InlineArray<16, UInt8>.self)
    epoch = base.load32(at: 24)
    lifetime = base.load32(at: 28)
    deviceID = (base + 32).loadUnaligned(as: InlineArray<64, UInt8>.self)
    guard lifetime <= Self.longestLifetime else { throw .lifetimeTooLong }
  }
}
