// Device ids and the proof that a device has the key it names.

import Crypto
import DumpFormat
import DumpOpening
import Testing

@Suite struct IdentityTests {
  private let device = Curve25519.KeyAgreement.PrivateKey()
  private let claim = Curve25519.KeyAgreement.PrivateKey()
  private let challenge = [UInt8](0..<16)
  private let signingKey = [UInt8](P256.Signing.PrivateKey().publicKey.rawRepresentation)

  /// Computed with Python's hashlib and hmac after RFC 5869.
  @Test func `a device id is what the format says`() throws {
    let key = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: [UInt8](0..<32))
    let expected =
      "7db61e2e0fd80ad7e050a98ad4ebc147cecd77af50413441f988bd3e89d5ebe8"
      + "1c3a10cbcb6f4f288f701340bc204d3c4e7e5cc943380e0ee29cadc4d5e0b8f1"
    #expect(DeviceIdentity.id(of: key).hexDigits == expected)
  }

  private func verify(
    publicKey: Curve25519.KeyAgreement.PublicKey? = nil, enc: [UInt8], proof: [UInt8],
    challenge: [UInt8]? = nil, signingKey: [UInt8]? = nil
  ) -> Bool {
    DeviceIdentity.verify(
      publicKey: publicKey ?? device.publicKey, encapsulatedKey: enc, proof: proof, claimKey: claim,
      challenge: challenge ?? self.challenge, signingKey: signingKey ?? self.signingKey)
  }

  @Test func `who has the key can prove it, for one challenge and one catalog`() throws {
    let (enc, proof) = try DeviceIdentity.prove(
      privateKey: device, claimKey: claim.publicKey, challenge: challenge, signingKey: signingKey)
    #expect(verify(enc: enc, proof: proof))
    let other = Curve25519.KeyAgreement.PrivateKey().publicKey
    #expect(!verify(publicKey: other, enc: enc, proof: proof))
    #expect(!verify(enc: enc, proof: proof, challenge: [UInt8](1..<17)))
    #expect(!verify(enc: enc, proof: proof, signingKey: Array(signingKey.reversed())))
    #expect(!verify(enc: enc, proof: Array(proof.dropLast())))
    #expect(!verify(enc: Array(enc.dropLast()), proof: proof))
    for bit in 0..<256 {
      var wrong = proof
      wrong[bit / 8] ^= 1 << (bit % 8)
      #expect(!verify(enc: enc, proof: wrong))
      var wrongKey = enc
      wrongKey[bit / 8] ^= 1 << (bit % 8)
      #expect(!verify(enc: wrongKey, proof: proof))
    }
  }

  @Test func `a public key of small order proves nothing`() throws {
    let weak = try Curve25519.KeyAgreement.PublicKey(
      rawRepresentation: [UInt8](repeating: 0, count: 32))
    let (enc, proof) = try DeviceIdentity.prove(
      privateKey: device, claimKey: claim.publicKey, challenge: challenge, signingKey: signingKey)
    #expect(!verify(publicKey: weak, enc: enc, proof: proof))
    #expect(!verify(enc: [UInt8](repeating: 0, count: 32), proof: proof))
  }
}
