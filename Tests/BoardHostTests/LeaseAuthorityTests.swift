// The test kit's authority: what it writes is what docs/formats/lease.md says, byte by byte.

import Crypto
import Foundation
import MartletTestKit
import Testing

struct LeaseAuthorityTests {
  let authority = LeaseAuthority(seed: 3)
  let device = SoftwareDevice(seed: 4)
  let challenge = [UInt8](0..<16)

  @Test func `A board that has its private key proves it`() throws {
    let identity = try #require(
      device.identity(answering: authority.provision(challenge: challenge)))
    let proven = try authority.device(proving: identity, challenge: challenge)
    #expect(proven == device.device)
    #expect(proven.id.count == 64)
    #expect(proven.text.count == 128)
  }

  @Test func `A proof is not believed when any bit of it, or the challenge, is another`() throws {
    let identity = try #require(
      device.identity(answering: authority.provision(challenge: challenge)))
    for bit in 0..<identity.count * 8 {
      var damaged = identity
      damaged[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: ConsentFailure.wrongProof) {
        try authority.device(proving: damaged, challenge: challenge)
      }
    }
    #expect(throws: ConsentFailure.wrongProof) {
      try authority.device(proving: identity, challenge: challenge.reversed())
    }
    #expect(throws: ConsentFailure.wrongProof) {
      try LeaseAuthority(seed: 5).device(proving: identity, challenge: challenge)
    }
  }

  @Test func `A lease has its fields where the format has them, and a signature that holds`() throws
  {
    var terms = authority.terms(
      device: device.device.id, nonce: [UInt8](repeating: 0xEE, count: 16), epoch: 0x0102_0304,
      lifetime: 3_600, dumpsPerFingerprint: 5, knownFingerprints: [0xAABB_CCDD])
    terms.reserved = 9
    let lease = authority.lease(terms)
    #expect(lease.count == 132 + 4 + 64)
    #expect(Array(lease[..<8]) == [0x4D, 0x4C, 2, 1, 1, 5, 1, 9])
    #expect(Array(lease[8..<24]) == [UInt8](repeating: 0xEE, count: 16))
    #expect(Array(lease[24..<28]) == [4, 3, 2, 1])
    #expect(Array(lease[28..<32]) == [0x10, 0x0E, 0, 0])
    #expect(Array(lease[32..<96]) == device.device.id)
    #expect(Array(lease[96..<100]) == [0x02, 0x5F, 0, 1])
    #expect(Array(lease[100..<132]) == [UInt8](authority.sealingKey.publicKey.rawRepresentation))
    #expect(Array(lease[132..<136]) == [0xDD, 0xCC, 0xBB, 0xAA])
    let signature = try P256.Signing.ECDSASignature(rawRepresentation: lease[136...])
    #expect(authority.signingKey.publicKey.isValidSignature(signature, for: lease[..<136]))
  }

  @Test func `A denial carries no key and no lifetime`() {
    let terms = authority.terms(
      device: device.device.id, nonce: challenge, allowed: false, epoch: 2)
    #expect(terms.verdict == 0 && terms.lifetime == 0 && terms.sealingKeyID == 0)
    #expect(terms.sealingKey.allSatisfy { $0 == 0 })
  }

  @Test func `The same seed gives the same keys`() {
    #expect(LeaseAuthority(seed: 3).provision(challenge: []) == authority.provision(challenge: []))
    #expect(LeaseAuthority(seed: 6).provision(challenge: []) != authority.provision(challenge: []))
  }

  @Test func `A dump that a device sealed opens for its authority and for no other`() throws {
    let clear = DumpBuilder.sample().build()
    let sealed = try authority.sealer(for: device, epoch: 3).seal(clear)
    #expect(sealed.firstRange(of: clear[200..<232]) == nil)
    let opened = try authority.open(sealed, from: device.device)
    #expect(opened[128...] == clear[128...])
    #expect(throws: (any Error).self) {
      try LeaseAuthority(seed: 5).open(sealed, from: device.device)
    }
    #expect(throws: (any Error).self) {
      try authority.open(sealed, from: SoftwareDevice(seed: 6).device)
    }
  }
}
