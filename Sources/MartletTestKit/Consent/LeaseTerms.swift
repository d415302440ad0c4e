// What a lease says, field by field, also where that is wrong: a writer of its own, not the device's.

/// The fields of a lease in the order of docs/formats/lease.md. Change any before it is signed.
public struct LeaseTerms: Sendable {
  /// "ML".
  public var magic: [UInt8] = [0x4D, 0x4C]
  public var version: UInt8 = 2
  /// 1 is ECDSA with P-256 and SHA-256.
  public var signatureKind: UInt8 = 1
  /// 0 denied, 1 allowed.
  public var verdict: UInt8
  /// 0 leaves it to the device.
  public var dumpsPerFingerprint: UInt8 = 0
  /// How many known fingerprints the lease claims to hold; the true number when `nil`.
  public var claimedFingerprints: UInt8?
  public var reserved: UInt8 = 0
  /// 16 bytes.
  public var nonce: [UInt8]
  public var epoch: UInt32
  /// Seconds since the device made the nonce.
  public var lifetime: UInt32
  /// 64 bytes.
  public var device: [UInt8]
  public var sealingKeyID: UInt32
  /// 32 bytes, X25519.
  public var sealingKey: [UInt8]
  /// Lower halves of fingerprints; a device takes at most 12.
  public var knownFingerprints: [UInt32] = []

  /// The bytes that are signed.
  public var bytes: [UInt8] {
    let count = claimedFingerprints ?? UInt8(truncatingIfNeeded: knownFingerprints.count)
    return magic + [version, signatureKind, verdict, dumpsPerFingerprint, count, reserved] + nonce
      + littleEndian(epoch) + littleEndian(lifetime) + device + littleEndian(sealingKeyID)
      + sealingKey + knownFingerprints.flatMap(littleEndian)
  }
}
