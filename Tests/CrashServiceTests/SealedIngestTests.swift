// Dumps that somebody else sealed, or that were changed on the way.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import MartletTestKit
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct SealedIngestTests {
  @Test func `a dump in the clear is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.send(dump: sampleDump(consentEpoch: try await bench.epoch()))
      #expect(answer.status == .unprocessableContent)
      #expect(answer.code == "DumpNotSealed")
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `a flip in any byte of a sealed dump is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let sealed = try await bench.sealer().seal(sampleDump())
      for at in sealed.indices {
        var damaged = sealed
        damaged[at] ^= 1 << (at % 8)
        let answer = try await bench.send(dump: damaged)
        #expect(answer.status == .unprocessableContent, "byte \(at)")
      }
      #expect(try await bench.dumps().isEmpty)
      #expect(try await bench.send(dump: sealed).status == .created)
    }
  }

  /// By somebody on the way, who makes lengths and checksums right again.
  @Test func `a flip under checksums that hold is refused, or it meant nothing`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let sealer = try await bench.sealer()
      let plain = sampleDump(consentEpoch: sealer.consentEpoch)
      let sealed = try sealer.seal(plain)
      // Bytes that readers ignore: of the commit and of the envelope.
      let ignored = Set(105..<120).union(136..<144)
      for at in sealed.indices
      where !(92..<104).contains(at) && at < 120 || at >= DumpPrologue.size {
        var damaged = sealed
        damaged[at] ^= 1 << (at % 8)
        let answer = try await bench.send(dump: withRightChecksums(damaged))
        if ignored.contains(at), answer.status == .created {
          let id = try answer.decoded(DumpReceipt.self).id
          let content = try await bench.get(DumpPath.content(id))
          #expect(Array(content.body.readableBytesView) == plain)
        } else {
          let expected: Set = [403, 409, 422]
          #expect(expected.contains(answer.status.code), "byte \(at): \(answer.status)")
        }
      }
      #expect(try await bench.dumps().count <= 1)
    }
  }

  @Test func `a dump of a device that has not got the key is not its own`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let lease = try await bench.parsedLease()
      func answer(
        key: Curve25519.KeyAgreement.PrivateKey = BenchDevice.even.privateKey,
        device: DeviceID = BenchDevice.even.id, sealingKey: [UInt8]? = nil, id: UInt32? = nil
      ) async throws -> Answer {
        let sealer = try DumpSealer(
          devicePrivateKey: key, device: device.bytes,
          sealingKey: .init(rawRepresentation: sealingKey ?? lease.sealingKey),
          sealingKeyID: id ?? lease.sealingKeyID, consentEpoch: lease.epoch)
        return try await bench.send(sealed: sealer.seal(sampleDump()))
      }
      // The bridge knows everything but the device's key.
      #expect(try await answer(key: .init()).code == "DumpNotAuthentic")
      #expect(try await answer(device: BenchDevice.odd.id).code == "DumpNotAuthentic")
      let ownKey = Curve25519.KeyAgreement.PrivateKey().publicKey.rawRepresentation
      #expect(try await answer(sealingKey: Array(ownKey)).code == "DumpNotAuthentic")
      // Another region's, and one that never was.
      #expect(try await answer(id: lease.sealingKeyID ^ 1 << 24).code == "SealingKeyUnknown")
      #expect(try await answer(id: lease.sealingKeyID + 1).code == "SealingKeyUnknown")
      #expect(try await bench.dumps().isEmpty)
      #expect(try await answer().status == .created)
    }
  }

  @Test func `a dump of one device is not taken for another`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      let dump = try await bench.sealer().seal(sampleDump())
      let answer = try await bench.send(dump: dump, device: ServiceBench.oddDevice)
      #expect(answer.status == .unprocessableContent || answer.status == .forbidden)
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `a claimed device without a registered key delivers nothing`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.claim(ServiceBench.oddDevice)
      let standing = try await bench.service.management.standing(of: BenchDevice.odd.id)
      let sealer = try DumpSealer(
        devicePrivateKey: BenchDevice.odd.privateKey,
        sealingKey: Curve25519.KeyAgreement.PrivateKey().publicKey, sealingKeyID: 2 << 24,
        consentEpoch: standing.epoch)
      let answer = try await bench.send(
        sealed: sealer.seal(sampleDump()), device: ServiceBench.oddDevice)
      #expect(answer.code == "DeviceNotProvisioned")
    }
  }

  @Test func `a dump opens with the key of its month until that is destroyed`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let january = try await bench.sealer()
      func sealed(_ boot: UInt32) throws -> [UInt8] {
        try january.seal(sampleDump(key: DumpKey(bootCount: boot, sequence: 1)))
      }
      func send(_ boot: UInt32) async throws -> Answer {
        try await bench.send(sealed: sealed(boot))
      }
      #expect(try await send(1).status == .created)
      for (boot, days) in [(UInt32(2), 31.0), (3, 28)] {
        bench.clock.advance(seconds: days * 86_400)
        #expect(try await bench.parsedLease().isAllowed)
        #expect(try await send(boot).status == .created)
      }
      // A key is destroyed when a new one is made, and not before.
      bench.clock.advance(seconds: 31 * 86_400)
      let last = try sealed(4)
      #expect(try await bench.send(sealed: last).status == .created)
      #expect(try await bench.parsedLease().isAllowed)
      #expect(try await send(5).code == "SealingKeyUnknown")
      // What was received with it stays for its time, and a repeated upload is answered.
      #expect(try await bench.send(sealed: last).status == .ok)
      let dumps = try await bench.dumps()
      #expect(dumps.map(\.bootCount) == [4])
      for dump in dumps { #expect(try await bench.get(DumpPath.content(dump.id)).status == .ok) }
    }
  }

  @Test func `the months of a key are those of UTC`() {
    func id(_ seconds: TimeInterval) -> UInt32 {
      SealingKeyID(region: .eu, at: Date(timeIntervalSince1970: seconds)).rawValue
    }
    // 2026-11-30T23:59:59Z and a second later; what is nearer to that than a millisecond is of that time.
    #expect(id(1_796_083_199.9999) == 1 << 24 | (2026 * 12 + 11))
    #expect(id(1_796_083_199) == 1 << 24 | (2026 * 12 + 10))
    #expect(id(1_796_083_200) == 1 << 24 | (2026 * 12 + 11))
    let december = SealingKeyID(rawValue: 3 << 24 | (2027 * 12))
    #expect(december.oldestKept.rawValue == 3 << 24 | (2027 * 12 - 2))
    #expect(december.region == .usWest)
    #expect(SealingKeyID(rawValue: 3 << 24).oldestKept.rawValue == 3 << 24)
    #expect(SealingKeyID(rawValue: 9 << 24).region == nil)
  }

  @Test func `any bytes are refused`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    let seed = generator.seed
    let bodies = (0..<64).map { round in
      let noise = generator.bytes(round * 9)
      return round.isMultiple(of: 2) ? noise : Array(sampleDump().prefix(128)) + noise
    }
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      for body in bodies {
        let answer = try await bench.send(dump: body)
        #expect(answer.status == .unprocessableContent, "seed \(seed)")
      }
    }
  }
}
