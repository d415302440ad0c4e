// Who a device is, and how it shows that it is (docs/formats/link.md, Provisioning).

import Crypto
import Foundation

/// The identity of a device: its public key, and the id that follows from it.
public enum DeviceIdentity {
  /// The device id of a public key, 64 bytes (HKDF-SHA256, RFC 5869).
  public static func id(of publicKey: Curve25519.KeyAgreement.PublicKey) -> [UInt8] {
    HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: publicKey.rawRepresentation),
      salt: Data("martlet device id".utf8), outputByteCount: SealingContext.deviceSize
    ).withUnsafeBytes { Array($0) }
  }

  /// Whether `proof` was made by who has the private key of `publicKey`.
  /// - Parameters:
  ///   - encapsulatedKey: `enc` of IDENTITY, 32 bytes.
  ///   - proof: 32 bytes.
  ///   - claimKey: the service's.
  ///   - challenge: as the service made it, 16 bytes.
  ///   - signingKey: the catalog's that the device was told to pin, x then y, 64 bytes.
  public static func verify(
    publicKey: Curve25519.KeyAgreement.PublicKey, encapsulatedKey: [UInt8], proof: [UInt8],
    claimKey: Curve25519.KeyAgreement.PrivateKey, challenge: [UInt8], signingKey: [UInt8]
  ) -> Bool {
    guard proof.count == SealingContext.keySize,
      let ephemeral = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: encapsulatedKey),
      claimKey.canAgree(with: ephemeral), claimKey.canAgree(with: publicKey),
      let recipient = try? HPKE.Recipient(
        privateKey: claimKey, ciphersuite: SealingContext.suite,
        info: claimInfo(challenge: challenge, signingKey: signingKey),
        encapsulatedKey: Data(encapsulatedKey), authenticatedBy: publicKey),
      let expected = try? recipient.exportSecret(
        context: proofContext, outputByteCount: SealingContext.keySize)
    else { return false }
    // Compared in constant time.
    return expected == SymmetricKey(data: proof)
  }

  /// What a device answers to PROVISION: `enc` and the proof, 32 bytes each.
  ///
  /// For hosts that stand in for a device, such as tests.
  /// - Throws: when the claim key is none that keys can be agreed with.
  public static func prove(
    privateKey: Curve25519.KeyAgreement.PrivateKey,
    claimKey: Curve25519.KeyAgreement.PublicKey, challenge: [UInt8], signingKey: [UInt8]
  ) throws(DumpOpeningError) -> (encapsulatedKey: [UInt8], proof: [UInt8]) {
    guard privateKey.canAgree(with: claimKey) else { throw .unusableKey }
    do {
      let sender = try HPKE.Sender(
        recipientKey: claimKey, ciphersuite: SealingContext.suite,
        info: claimInfo(challenge: challenge, signingKey: signingKey), authenticatedBy: privateKey)
      let proof = try sender.exportSecret(
        context: proofContext, outputByteCount: SealingContext.keySize)
      return (Array(sender.encapsulatedKey), proof.withUnsafeBytes { Array($0) })
    } catch {
      throw .unusableKey
    }
  }

  private static let proofContext = Data("martlet proof".utf8)

  private static func claimInfo(challenge: [UInt8], signingKey: [UInt8]) -> Data {
    Data("martlet claim".utf8) + challenge + signingKey
  }
}
