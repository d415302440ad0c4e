// What the device seals and exchanges, opened and agreed with swift-crypto alone.

import Crypto
import DumpSealing
import Foundation
import MartletTestKit
import Testing

// The two modules name the same things alike.
private typealias Recipient = Crypto.HPKE.Recipient
private typealias ChaChaPoly = Crypto.ChaChaPoly

@Suite struct SwiftCryptoTests {
  @Test func `swift-crypto's recipient exports what the device exports`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<50 {
      let recipient = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: generator.bytes(32))
      let sender = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: generator.bytes(32))
      let ephemeral = generator.bytes(32)
      let info = generator.bytes(.random(in: 0...120, using: &generator))
      let context = generator.bytes(.random(in: 0...40, using: &generator))

      var enc = [UInt8](repeating: 0, count: HPKESender.encSize)
      let exchanged = info.withUnsafeBytes { info in
        HPKESender(
          recipient: Array(recipient.publicKey.rawRepresentation),
          sender: Array(sender.rawRepresentation), ephemeral: ephemeral, info: info, enc: &enc)
      }
      var device = try #require(exchanged)
      var exported = [UInt8](repeating: 0, count: 32)
      context.withUnsafeBytes { context in
        HPKESender.export(&device.exporterSecret, context: context, &exported, count: 32)
      }

      let service = try Recipient(
        privateKey: recipient, ciphersuite: .Curve25519_SHA256_ChachaPoly, info: Data(info),
        encapsulatedKey: Data(enc), authenticatedBy: sender.publicKey)
      let secret = try service.exportSecret(context: context, outputByteCount: 32)
      #expect(secret.withUnsafeBytes { Array($0) } == exported)
    }
  }

  @Test func `swift-crypto opens chunks that the device sealed, and no others`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<200 {
      let content = generator.bytes(.random(in: 0...1008, using: &generator))
      let header = generator.bytes(.random(in: 0...96, using: &generator))
      let key = generator.bytes(32)
      let index = UInt32.random(in: 0...UInt32.max, using: &generator)
      let flags = UInt8.random(in: 0...3, using: &generator)

      var sealed = content + [UInt8](repeating: 0, count: SealedChunk.tagSize)
      header.withUnsafeBytes { header in
        SealedChunk.seal(
          &sealed, count: content.count, key: key, index: index, flags: flags, associated: header)
      }

      let nonce = withUnsafeBytes(of: index.littleEndian) { Data($0) } + Data(count: 7) + [flags]
      func open(_ bytes: [UInt8]) throws -> [UInt8] {
        let box = try ChaChaPoly.SealedBox(combined: nonce + bytes)
        return try Array(
          ChaChaPoly.open(box, using: SymmetricKey(data: key), authenticating: header))
      }
      #expect(try open(sealed) == content)
      let at = Int.random(in: 0..<sealed.count, using: &generator)
      sealed[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      #expect(throws: CryptoKitError.self) { try open(sealed) }
    }
  }

  @Test func `the device believes what swift-crypto signed, and nothing else`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<20 {
      let signer = try P256.Signing.PrivateKey(rawRepresentation: generator.bytes(32))
      var message = generator.bytes(.random(in: 1...180, using: &generator))
      var signature = Array(try signer.signature(for: message).rawRepresentation)
      var key = Array(signer.publicKey.rawRepresentation)
      func isValid() -> Bool {
        message.withUnsafeBytes { ServiceSignature.isValid(signature, of: $0, key: key) }
      }
      #expect(isValid())
      let bit: UInt8 = 1 << UInt8.random(in: 0..<8, using: &generator)
      func flip(_ bytes: inout [UInt8]) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= bit
      }
      let (goodMessage, goodSignature) = (message, signature)
      flip(&message)
      #expect(!isValid())
      message = goodMessage
      flip(&signature)
      #expect(!isValid())
      signature = goodSignature
      flip(&key)
      #expect(!isValid())
    }
  }

  @Test func `a device id is the HKDF of the public key`() {
    var generator = SeededGenerator.fromEnvironment()
    let key = generator.bytes(32)
    var id = [UInt8](repeating: 0, count: DeviceKey.idSize)
    DeviceKey.deviceID(of: key, &id)
    let expected = Crypto.HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: key), salt: Data("martlet device id".utf8),
      outputByteCount: 64)
    #expect(expected.withUnsafeBytes { Array($0) } == id)
  }
}
