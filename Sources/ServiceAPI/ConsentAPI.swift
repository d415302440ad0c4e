// How a bridge learns whether it may go on keeping what it holds.

/// Paths of consent.
///
/// | call | body | answers |
/// | --- | --- | --- |
/// | `POST /martlet/v1/consents` | ``ConsentRequest`` | 200 ``ConsentAnswer`` |
public enum ConsentPath {
  public static let consents = "/martlet/v1/consents"
}

/// Asks how consent stands for devices of which a bridge holds dumps.
public struct ConsentRequest: Codable, Equatable, Sendable {
  /// Device ids, 128 hex digits each; at most 256.
  public var devices: [String]

  public init(devices: [String]) { self.devices = devices }
}

/// How consent stands, one answer for each device, in the order of the request.
public struct ConsentAnswer: Codable, Equatable, Sendable {
  public struct Consent: Codable, Equatable, Sendable {
    /// Whether the service knows the device at all: it is claimed, or its key is registered. When it
    /// does not, the answer says nothing about consent: this may be the wrong service.
    public var isKnown: Bool
    /// Whether dumps of the device may be kept and forwarded.
    public var allowed: Bool
    /// The epoch for which that holds: a dump of any other has lost its consent.
    public var epoch: UInt32

    public init(isKnown: Bool, allowed: Bool, epoch: UInt32) {
      self.isKnown = isKnown
      self.allowed = allowed
      self.epoch = epoch
    }
  }

  public var consents: [Consent]

  public init(consents: [Consent]) { self.consents = consents }
}
