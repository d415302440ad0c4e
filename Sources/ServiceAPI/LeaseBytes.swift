// What the service grants, on its way into the bytes that a device receives.

import ConsentLease
import Foundation

/// A lease in the service's own terms: texts and arrays of checked sizes. ``signedPart`` and the
/// signature over it are the bytes of docs/formats/lease.md, version 2.
public struct LeaseBytes: Equatable, Sendable {
  /// What an allowed lease says beyond a denial.
  public struct Grant: Equatable, Sendable {
    /// Seconds since the device made the nonce, at most 172,800 (48 hours).
    public var lifetimeSeconds: UInt32
    /// How many dumps of one fingerprint the device keeps; 0 leaves it to the device.
    public var dumpsPerFingerprint: UInt8
    public var sealingKeyID: UInt32
    /// X25519, 32 bytes.
    public var sealingKey: Data
    /// Lower halves of fingerprints of which there are enough dumps.
    public var knownFingerprints: [UInt32]

    public init(
      lifetimeSeconds: UInt32 = Lease.longestLifetime, dumpsPerFingerprint: UInt8,
      sealingKeyID: UInt32, sealingKey: Data, knownFingerprints: [UInt32]
    ) {
      self.lifetimeSeconds = lifetimeSeconds
      self.dumpsPerFingerprint = dumpsPerFingerprint
      self.sealingKeyID = sealingKeyID
      self.sealingKey = sealingKey
      self.knownFingerprints = knownFingerprints
    }
  }

  /// The nonce that the device sent, 16 bytes.
  public let nonce: [UInt8]
  public let epoch: UInt32
  public let device: DeviceID
  /// Absent when crash dumps may not be captured, kept or forwarded.
  public let grant: Grant?

  /// - Parameters:
  ///   - nonce: 16 bytes.
  ///   - grant: `nil` makes a denial. Fingerprints beyond the first 12 are left out.
  /// - Returns: `nil` for a nonce, a sealing key or a lifetime out of bounds.
  public init?(nonce: some Collection<UInt8>, epoch: UInt32, device: DeviceID, grant: Grant?) {
    guard nonce.count == Lease.nonceSize,
      grant?.sealingKey.count ?? Lease.sealingKeySize == Lease.sealingKeySize,
      grant?.lifetimeSeconds ?? 0 <= Lease.longestLifetime
    else { return nil }
    self.nonce = Array(nonce)
    self.epoch = epoch
    self.device = device
    self.grant = grant
  }

  /// Everything in front of the signature.
  public var signedPart: Data {
    let id = device.bytes
    var lease = Lease(
      isAllowed: grant != nil, dumpsPerFingerprint: grant?.dumpsPerFingerprint ?? 0,
      nonce: InlineArray { nonce[$0] }, epoch: epoch, lifetime: grant?.lifetimeSeconds ?? 0,
      deviceID: InlineArray { id[$0] })
    if let grant {
      let key = Array(grant.sealingKey)
      let known = grant.knownFingerprints.prefix(Lease.mostKnown)
      lease.sealingKeyID = grant.sealingKeyID
      lease.sealingKey = InlineArray { key[$0] }
      lease.knownCount = UInt8(known.count)
      for (index, fingerprint) in known.enumerated() { lease.known[index] = fingerprint }
    }
    var bytes = Data(count: lease.signedSize)
    bytes.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress { lease.encode(to: base) }
    }
    return bytes
  }
}
