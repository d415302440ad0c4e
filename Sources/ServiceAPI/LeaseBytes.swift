// What the service grants, on its way into the bytes that a device receives.

import ConsentLease
import Foundation

/// A lease in the service's own terms: texts and arrays of checked sizes. ``encoded()`` gives the bytes
/// of docs/formats/lease.md.
public struct LeaseBytes: Equatable, Sendable {
  /// Whether crash dumps may be captured, kept and forwarded.
  public var allowed: Bool
  /// How many dumps of one fingerprint the device keeps; 0 leaves it to the device.
  public var dumpsPerFingerprint: UInt8
  /// The nonce that the device sent, 16 bytes.
  public let nonce: [UInt8]
  public var epoch: UInt32
  /// Seconds from receipt, at most 172,800. A denied lease always carries 0.
  public var lifetimeSeconds: UInt32
  public var device: DeviceID

  /// - Parameter nonce: 16 bytes; `nil` comes back for any other number.
  public init?(
    allowed: Bool, dumpsPerFingerprint: UInt8 = 0, nonce: some Collection<UInt8>, epoch: UInt32,
    lifetimeSeconds: UInt32, device: DeviceID
  ) {
    guard nonce.count == Lease.nonceSize else { return nil }
    self.allowed = allowed
    self.dumpsPerFingerprint = dumpsPerFingerprint
    self.nonce = Array(nonce)
    self.epoch = epoch
    self.lifetimeSeconds = allowed ? min(lifetimeSeconds, Lease.longestLifetime) : 0
    self.device = device
  }

  /// The lease's bytes, checksum last.
  public func encoded() -> Data {
    let id = device.bytes
    let lease = Lease(
      isAllowed: allowed, dumpsPerFingerprint: dumpsPerFingerprint,
      nonce: InlineArray { nonce[$0] }, epoch: epoch, lifetime: lifetimeSeconds,
      deviceID: InlineArray { id[$0] })
    var bytes = Data(count: lease.signedSize)
    bytes.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress { lease.encode(to: base) }
    }
    return bytes
  }
}
