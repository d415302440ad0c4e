// The lease as it arrives: the service's opt-in or denial (docs/formats/lease.md).

import DumpFormat

/// The version this code writes and reads.
///
/// - 1: first version, not signed.
/// - 2: signed; sealing key and known fingerprints; the lifetime counts from the nonce.
public let leaseFormatVersion: UInt8 = 2

/// Where a lease's fields lie, bytes from its start.
public enum LeaseLayout {
  static let version = 2
  static let signatureKind = 3
  static let verdict = 4
  static let dumpsPerFingerprint = 5
  static let knownCount = 6
  static let nonce = 8
  public static let epoch = 24
  static let lifetime = 28
  static let deviceID = 32
  public static let sealingKeyID = 96
  public static let sealingKey = 100
  static let known = 132
}

/// What a lease says, as the service writes it and as who looks at one reads it. Its signature follows
/// the bytes of ``encode(to:)``.
public struct Lease: Sendable {
  /// Bytes in front of the known fingerprints.
  public static let fixedSize = LeaseLayout.known
  /// Bytes of the signature at the end.
  public static let signatureSize = 64
  /// Most known fingerprints that a lease carries.
  public static let mostKnown = 12
  /// Bytes of the whole lease at most, so that it fits in one frame.
  public static let largestSize = fixedSize + 4 * mostKnown + signatureSize
  /// Seconds a lease may last at most: 48 hours.
  public static let longestLifetime: UInt32 = 172_800
  /// Bytes of a device id.
  public static let deviceIDSize = 64
  /// Bytes of a nonce.
  public static let nonceSize = 16
  /// Bytes of a sealing key.
  public static let sealingKeySize = 32
  /// "ML", little endian.
  static let magic: UInt16 = 0x4C4D
  /// ECDSA, P-256, SHA-256.
  static let signatureKind: UInt8 = 1

  public var isAllowed: Bool
  /// How many dumps of one fingerprint to keep; 0 leaves it to the device.
  public var dumpsPerFingerprint: UInt8
  public var nonce: InlineArray<16, UInt8>
  public var epoch: UInt32
  /// Seconds from the making of the nonce.
  public var lifetime: UInt32
  public var deviceID: InlineArray<64, UInt8>
  /// Which key dumps are sealed to.
  public var sealingKeyID: UInt32 = 0
  /// X25519 public key.
  public var sealingKey = InlineArray<32, UInt8>(repeating: 0)
  /// How many of ``known`` count, at most ``mostKnown``.
  public var knownCount: UInt8 = 0
  /// The lower 32 bits of fingerprints of which the fleet has enough dumps.
  public var known = InlineArray<12, UInt32>(repeating: 0)

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

  /// Bytes that ``encode(to:)`` writes and a signature covers.
  public var signedSize: Int { Self.fixedSize + 4 * Int(min(knownCount, UInt8(Self.mostKnown))) }

  /// Writes the lease without its signature.
  ///
  /// - Parameter bytes: ``signedSize`` bytes, aligned to 4.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    bytes.store16(Self.magic, at: 0)
    bytes.store8(leaseFormatVersion, at: LeaseLayout.version)
    bytes.store8(Self.signatureKind, at: LeaseLayout.signatureKind)
    bytes.store8(isAllowed ? 1 : 0, at: LeaseLayout.verdict)
    bytes.store8(dumpsPerFingerprint, at: LeaseLayout.dumpsPerFingerprint)
    let count = min(knownCount, UInt8(Self.mostKnown))
    bytes.store8(count, at: LeaseLayout.knownCount)
    bytes.store8(0, at: 7)
    (bytes + LeaseLayout.nonce).storeBytes(of: nonce, as: InlineArray<16, UInt8>.self)
    bytes.store32(epoch, at: LeaseLayout.epoch)
    bytes.store32(lifetime, at: LeaseLayout.lifetime)
    (bytes + LeaseLayout.deviceID).storeBytes(of: deviceID, as: InlineArray<64, UInt8>.self)
    bytes.store32(sealingKeyID, at: LeaseLayout.sealingKeyID)
    (bytes + LeaseLayout.sealingKey).storeBytes(of: sealingKey, as: InlineArray<32, UInt8>.self)
    for i in 0..<Int(count) { bytes.store32(known[i], at: LeaseLayout.known + 4 * i) }
  }

  /// What is wrong with a lease's bytes, whoever it is for and whoever signed it. Any bytes, at an
  /// address that is a multiple of 4, are safe to pass.
  public static func check(_ bytes: UnsafeRawBufferPointer) -> LeaseRefusal {
    guard bytes.count >= fixedSize + signatureSize, bytes.count <= largestSize,
      let base = bytes.baseAddress, base.load16(at: 0) == magic
    else { return .malformed }
    guard base.load8(at: LeaseLayout.version) == leaseFormatVersion else { return .otherVersion }
    guard base.load8(at: LeaseLayout.signatureKind) == signatureKind else { return .signature }
    guard base.load8(at: LeaseLayout.verdict) <= 1,
      signedSize(base) + signatureSize == bytes.count
    else { return .malformed }
    guard base.load32(at: LeaseLayout.lifetime) <= longestLifetime else {
      return .lifetimeTooLong
    }
    return .accepted
  }

  /// Whether the lease at `bytes`, in which nothing was found to be wrong, allows dumps.
  public static func isAllowed(_ bytes: UnsafeRawPointer) -> Bool {
    bytes.load8(at: LeaseLayout.verdict) == 1
  }

  /// Bytes that the signature of a lease covers, as its own count tells.
  static func signedSize(_ base: UnsafeRawPointer) -> Int {
    fixedSize + 4 * Int(base.load8(at: LeaseLayout.knownCount))
  }

  /// Reads a lease without looking at its signature. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(LeaseRefusal) {
    let flaw = Self.check(bytes)
    guard flaw == .accepted, let base = bytes.baseAddress else { throw flaw }
    isAllowed = base.load8(at: LeaseLayout.verdict) == 1
    dumpsPerFingerprint = base.load8(at: LeaseLayout.dumpsPerFingerprint)
    nonce = (base + LeaseLayout.nonce).loadUnaligned(as: InlineArray<16, UInt8>.self)
    epoch = base.load32(at: LeaseLayout.epoch)
    lifetime = base.load32(at: LeaseLayout.lifetime)
    deviceID = (base + LeaseLayout.deviceID).loadUnaligned(as: InlineArray<64, UInt8>.self)
    sealingKeyID = base.load32(at: LeaseLayout.sealingKeyID)
    sealingKey = (base + LeaseLayout.sealingKey).loadUnaligned(as: InlineArray<32, UInt8>.self)
    knownCount = base.load8(at: LeaseLayout.knownCount)
    for i in 0..<Int(min(knownCount, UInt8(Self.mostKnown))) {
      known[i] = base.load32(at: LeaseLayout.known + 4 * i)
    }
  }
}
