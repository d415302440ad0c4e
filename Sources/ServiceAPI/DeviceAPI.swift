// What bridge and service say to each other about devices: leases, offers, dumps, counts.

import Foundation

/// Paths of the device API, relative to the service's address.
///
/// | call | body | answers |
/// | --- | --- | --- |
/// | `POST /martlet/v1/devices/{id}/lease` | ``LeaseRequest`` | 200 ``LeaseAnswer``, a signed denial also for a device that is registered and not claimed; 404 `DeviceNotFound`; 409 `DeviceNotProvisioned`: claimed, but its key is not registered |
/// | `POST /martlet/v1/devices/{id}/offers` | ``OfferRequest`` | 200 ``OfferAnswer``, all refused for a device that is registered and not claimed; 404 unknown device |
/// | `POST /martlet/v1/devices/{id}/counts` | ``CountRequest`` | 200 ``CountAnswer``; 403 no consent; 404 |
/// | `PUT /martlet/v1/devices/{id}/dumps/{bootCount}-{sequence}` | the dump's bytes | 201 stored now, 200 stored before: ``DumpReceipt``; 403 no consent, or the dump is of another consent epoch; 404; 409 other content under this key, or `DeviceNotProvisioned`; 413; 422 not a dump, not sealed, or sealed by somebody else |
public enum DevicePath {
  public static func lease(device: String) -> String { "/martlet/v1/devices/\(device)/lease" }
  public static func offers(device: String) -> String { "/martlet/v1/devices/\(device)/offers" }
  public static func counts(device: String) -> String { "/martlet/v1/devices/\(device)/counts" }
  public static func dump(device: String, bootCount: UInt32, sequence: UInt32) -> String {
    "/martlet/v1/devices/\(device)/dumps/\(bootCount)-\(sequence)"
  }
}

/// Asks for a lease on behalf of a device that gave a fresh nonce.
public struct LeaseRequest: Codable, Equatable, Sendable {
  /// The nonce of the device's HELLO, 16 bytes; base64 in JSON.
  public var nonce: Data
  /// The image the device runs, 40 hex digits.
  public var buildId: String
  public var imageVersion: String
  public var bootCount: UInt32
  /// Crashes that the device did not capture for want of consent, since its last lease.
  public var uncapturedCrashes: UInt32

  public init(
    nonce: Data, buildId: String, imageVersion: String, bootCount: UInt32, uncapturedCrashes: UInt32
  ) {
    self.nonce = nonce
    self.buildId = buildId
    self.imageVersion = imageVersion
    self.bootCount = bootCount
    self.uncapturedCrashes = uncapturedCrashes
  }
}

/// A lease, with what the bridge may know of it.
public struct LeaseAnswer: Codable, Equatable, Sendable {
  /// Whether crash dumps may be captured, kept and forwarded.
  public var allowed: Bool
  /// Rises with every change of consent or of the regional boundary of the device's group, with every
  /// move of the device, and when it is unclaimed or its catalog deleted.
  public var epoch: UInt32
  /// At most 172,800; 0 when denied.
  public var lifetimeSeconds: UInt32
  /// The bytes for the device (docs/formats/lease.md); base64 in JSON. The bridge passes them on.
  public var lease: Data

  public init(allowed: Bool, epoch: UInt32, lifetimeSeconds: UInt32, lease: Data) {
    self.allowed = allowed
    self.epoch = epoch
    self.lifetimeSeconds = lifetimeSeconds
    self.lease = lease
  }
}

/// What a bridge could send: asked before the transfer, so that nothing unwanted travels.
public struct OfferRequest: Codable, Equatable, Sendable {
  public struct Offer: Codable, Equatable, Sendable {
    public var bootCount: UInt32
    public var sequence: UInt32
    /// 16 hex digits.
    public var fingerprint: String
    /// Bytes of the whole dump.
    public var size: Int
    public var occurrences: UInt32
    /// Of the lease under which the dump was taken.
    public var consentEpoch: UInt32
    /// The image that crashed, 40 hex digits.
    public var buildId: String

    public init(
      bootCount: UInt32, sequence: UInt32, fingerprint: String, size: Int, occurrences: UInt32,
      consentEpoch: UInt32, buildId: String
    ) {
      self.bootCount = bootCount
      self.sequence = sequence
      self.fingerprint = fingerprint
      self.size = size
      self.occurrences = occurrences
      self.consentEpoch = consentEpoch
      self.buildId = buildId
    }
  }

  /// At most 256.
  public var offers: [Offer]

  public init(offers: [Offer]) { self.offers = offers }
}

/// The answer to each offer, in the order of the offers.
public struct OfferAnswer: Codable, Equatable, Sendable {
  public enum Verdict: String, Codable, Sendable {
    /// Send it.
    case send
    /// It is stored already: release it.
    case stored
    /// Enough of its kind is held: release it.
    case skip
    /// There is no consent for it: purge it.
    case refused
    /// Another device is sending one of its kind: keep it, and offer it again when
    /// ``OfferAnswer/retryAfterSeconds`` are over.
    case later
  }

  public var verdicts: [Verdict]
  /// Present when a verdict is ``Verdict/later``.
  public var retryAfterSeconds: Int?

  public init(verdicts: [Verdict], retryAfterSeconds: Int? = nil) {
    self.verdicts = verdicts
    self.retryAfterSeconds = retryAfterSeconds
  }
}

/// Says that a dump is stored durably.
public struct DumpReceipt: Codable, Equatable, Sendable {
  /// The service's name for the dump.
  public var id: String

  public init(id: String) { self.id = id }
}
