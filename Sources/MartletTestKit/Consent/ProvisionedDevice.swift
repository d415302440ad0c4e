// Who a device is: its public key, the id made of it, and a device in software that has the private one.

import Crypto
import Foundation

/// A device as the service knows it.
public struct ProvisionedDevice: Equatable, Sendable {
  /// X25519, 32 bytes.
  public let publicKey: [UInt8]
  /// The device id, 64 bytes (docs/formats/link.md, Provisioning).
  public let id: [UInt8]

  /// - Parameter publicKey: 32 bytes.
  public init(publicKey: [UInt8]) {
    self.publicKey = publicKey
    id = HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: publicKey), salt: Data("martlet device id".utf8),
      info: Data(), outputByteCount: 64
    ).withUnsafeBytes { Array($0) }
  }

  /// The device id as people write it, 128 hex digits.
  public var text: String {
    id.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  static func claimInfo(challenge: [UInt8], signingKey: [UInt8]) -> Data {
    Data("martlet claim".utf8) + challenge + signingKey
  }

  static let proofContext = Data("martlet proof".utf8)
}

/// A device's identity without a device, for boards that a test scripts.
public struct SoftwareDevice: Sendable {
  public let privateKey: Curve25519.KeyAgreement.PrivateKey

  /// - Parameter seed: the same seed, the same device.
  public init(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    privateKey = drawKey(from: &generator) {
      try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0)
    }
  }

  /// What the service may know of it.
  public var device: ProvisionedDevice {
    ProvisionedDevice(publicKey: [UInt8](privateKey.publicKey.rawRepresentation))
  }

  /// The payload of IDENTITY that answers a PROVISION.
  ///
  /// - Parameter provision: the payload, 112 bytes.
  /// - Returns: 96 bytes; `nil` when the payload has another length or a claim key that is none.
  public func identity(answering provision: [UInt8]) -> [UInt8]? {
    guard provision.count == 112 else { return nil }
    let info = ProvisionedDevice.claimInfo(
      challenge: Array(provision[96...]), signingKey: Array(provision[..<64]))
    guard
      let claimKey = try? Curve25519.KeyAgreement.PublicKey(
        rawRepresentation: provision[64..<96]),
      let exchange = try? HPKE.Sender(
        recipientKey: claimKey, ciphersuite: .Curve25519_SHA256_ChachaPoly, info: info,
        authenticatedBy: privateKey),
      let proof = try? exchange.exportSecret(
        context: ProvisionedDevice.proofContext, outputByteCount: 32)
    else { return nil }
    return device.publicKey + exchange.encapsulatedKey + proof.withUnsafeBytes { Array($0) }
  }
}
