// How a board gets its identity: what bridge and service say to each other about it.

import Foundation

/// Paths of provisioning.
///
/// | call | body | answers |
/// | --- | --- | --- |
/// | `POST /martlet/v1/provisioning` | ``ProvisioningRequest`` | 200 ``ProvisioningOffer``; 404 no such catalog |
/// | `PUT /martlet/v1/devices/{id}/identity` | ``DeviceIdentityProof`` | 201 registered now, 200 registered before: ``RegisteredDevice``; 409 registered for another catalog, or the challenge is not known any more; 422 the id is not that key's, or the proof does not hold |
/// | `GET /martlet/v1/devices/{id}/identity` | | 200 ``RegisteredDevice``; 404 not registered |
public enum ProvisioningPath {
  public static let offers = "/martlet/v1/provisioning"
  public static func identity(device: String) -> String { "/martlet/v1/devices/\(device)/identity" }
}

/// Asks what a board needs to know to belong to a catalog.
public struct ProvisioningRequest: Codable, Equatable, Sendable {
  public var subscription: String
  public var resourceGroup: String
  public var catalog: String

  public init(subscription: String, resourceGroup: String, catalog: String) {
    self.subscription = subscription
    self.resourceGroup = resourceGroup
    self.catalog = catalog
  }
}

/// What the bridge hands to the board in PROVISION (docs/formats/link.md, Provisioning).
public struct ProvisioningOffer: Codable, Equatable, Sendable {
  /// The catalog's public signing key, P-256: x then y, 64 bytes; base64 in JSON, as all of these.
  public var signingKey: Data
  /// The service's claim key, X25519, 32 bytes.
  public var claimKey: Data
  /// 16 bytes; good for ten minutes and one device.
  public var challenge: Data

  public init(signingKey: Data, claimKey: Data, challenge: Data) {
    self.signingKey = signingKey
    self.claimKey = claimKey
    self.challenge = challenge
  }
}

/// What the board answered in IDENTITY.
public struct DeviceIdentityProof: Codable, Equatable, Sendable {
  /// The challenge that the proof answers.
  public var challenge: Data
  /// The device's public key, X25519, 32 bytes.
  public var publicKey: Data
  /// 32 bytes.
  public var enc: Data
  /// 32 bytes.
  public var proof: Data

  public init(challenge: Data, publicKey: Data, enc: Data, proof: Data) {
    self.challenge = challenge
    self.publicKey = publicKey
    self.enc = enc
    self.proof = proof
  }
}

/// What `martlet-bridge provision` prints and `martlet device claim --identity` reads: the members of
/// ``DeviceIdentityProof`` and the device id in one JSON object.
public struct ProvisionedIdentity: Codable, Equatable, Sendable {
  /// 128 hex digits.
  public var deviceId: String
  public var proof: DeviceIdentityProof

  public init(deviceId: String, proof: DeviceIdentityProof) {
    self.deviceId = deviceId
    self.proof = proof
  }

  private enum CodingKeys: CodingKey { case deviceId }

  public init(from decoder: any Decoder) throws {
    deviceId = try decoder.container(keyedBy: CodingKeys.self)
      .decode(String.self, forKey: .deviceId)
    proof = try DeviceIdentityProof(from: decoder)
  }

  public func encode(to encoder: any Encoder) throws {
    try proof.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(deviceId, forKey: .deviceId)
  }
}

/// Says that a device's public key is known to the service.
public struct RegisteredDevice: Codable, Equatable, Sendable {
  /// 128 hex digits.
  public var deviceId: String
  /// The catalog that the device can be claimed into.
  public var catalog: String

  public init(deviceId: String, catalog: String) {
    self.deviceId = deviceId
    self.catalog = catalog
  }
}
