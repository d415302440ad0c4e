// Dumps on their way in: once, whole, or refused with a reason.

import DumpFormat
import Foundation
import NIOCore
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct IngestTests {
  @Test func `a stored dump is listed with what its prologue and registers say`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.upload(sampleDump())
      #expect(answer.status == .created)
      let dump = sampleDump(consentEpoch: try await bench.epoch())
      let id = try answer.decoded(DumpReceipt.self).id
      let summary = try await bench.get(DumpPath.summary(id)).decoded(DumpSummary.self)
      #expect(
        summary
          == DumpSummary(
            id: id, deviceId: ServiceBench.device, catalog: "plant", product: "DW100",
            deviceGroup: "Field Test", region: "USEast", bootCount: 1, sequence: 1,
            kind: "usageFault", fingerprint: "0102030405060708",
            signature: "AppCrash (kind=usageFault; pc=0x00001234; lr=0x00000567; sp=0x00080000; "
              + "build=01020304)",
            buildId: "0102030405060708090a0b0c0d0e0f1011121314", imageVersion: "1.2.3",
            uptimeSeconds: 1.5, occurrences: 1, size: dump.count, isTruncated: false,
            receivedAt: bench.clock.now))
      let content = try await bench.get(DumpPath.content(id))
      #expect(Array(content.body.readableBytesView) == dump)
      #expect(try await bench.dumps() == [summary])
    }
  }

  @Test func `the same dump sent twice is stored once`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let dump = try await bench.sealer().seal(sampleDump())
      let first = try await bench.send(sealed: dump)
      let second = try await bench.send(sealed: dump)
      #expect(first.status == .created)
      #expect(second.status == .ok)
      #expect(try first.decoded(DumpReceipt.self) == second.decoded(DumpReceipt.self))
      #expect(try await bench.dumps().count == 1)
    }
  }

  @Test func `the same dump sent by many at once is stored once`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let dump = try await bench.sealer().seal(sampleDump())
      let statuses = try await withThrowingTaskGroup(of: Int.self) { tasks in
        for _ in 0..<16 {
          tasks.addTask { try await bench.send(sealed: dump).status.code }
        }
        return try await tasks.reduce(into: [Int]()) { $0.append($1) }
      }
      #expect(statuses.count { $0 == 201 } == 1)
      #expect(statuses.count { $0 == 200 } == 15)
      #expect(try await bench.dumps().count == 1)
    }
  }

  @Test func `other content under a stored key is a conflict and changes nothing`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let id = try await bench.upload(sampleDump()).decoded(DumpReceipt.self).id
      let answer = try await bench.upload(sampleDump(memory: Array("other".utf8)))
      #expect(answer.status == .conflict)
      #expect(answer.code == "DumpKeyTaken")
      let content = try await bench.get(DumpPath.content(id))
      #expect(
        Array(content.body.readableBytesView)
          == sampleDump(consentEpoch: try await bench.epoch()))
    }
  }

  /// A way to spoil a dump, and the name of what is then wrong with it.
  enum Damage: CaseIterable {
    case prologueCut, empty, magic, version, header, mark, length, longer, shorter, body

    func apply(to dump: [UInt8]) -> [UInt8] {
      switch self {
      case .prologueCut: Array(dump.prefix(127))
      case .empty: []
      case .magic: flipped(dump, at: 0)
      case .version: flipped(dump, at: 4)
      case .header: flipped(dump, at: 30)
      case .mark: flipped(dump, at: 121)
      case .length: flipped(dump, at: 96)
      case .longer: dump + [0]
      case .shorter: Array(dump.dropLast())
      case .body: flipped(dump, at: dump.count - 1)
      }
    }

    var name: String {
      switch self {
      case .prologueCut, .empty: "tooShort"
      case .magic: "notADump"
      case .version: "unknownVersion"
      case .header: "headerDamaged"
      case .mark, .length: "notCommitted"
      case .longer, .shorter: "lengthMismatch"
      case .body: "bodyDamaged"
      }
    }
  }

  @Test(arguments: Damage.allCases)
  func `a dump that lies is refused by the name of the lie`(damage: Damage) async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let dump = try await bench.sealer().seal(sampleDump())
      let answer = try await bench.send(dump: damage.apply(to: dump))
      #expect(answer.status == .unprocessableContent)
      #expect(answer.code == "InvalidDump")
      #expect(answer.message.contains(damage.name))
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `a dump under another key than its own is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.send(
        dump: try await bench.sealer().seal(sampleDump()), sequence: 2)
      #expect(answer.status == .unprocessableContent)
      #expect(answer.code == "DumpKeyMismatch")
    }
  }

  @Test func `a whole dump with blocks that lie is kept with unknown registers`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let lie = sampleDump(memory: [1, 0, 0, 0, 255, 255, 255, 255], hasBlocks: false)
      #expect(try await bench.upload(lie).status == .created)
      let signature = try await bench.dumps().first?.signature
      #expect(
        signature
          == "AppCrash (kind=usageFault; pc=unknown; lr=unknown; sp=unknown; build=01020304)")
    }
  }

  @Test(arguments: ["1", "1-", "-1", "1-2-3", "01-1", "4294967296-1", "a-b", "1--1"])
  func `a key that is none is refused`(key: String) async throws {
    try await ServiceBench.run { bench in
      let path = "/martlet/v1/devices/\(ServiceBench.device)/dumps/\(key)"
      let answer = try await bench.put(path, "x")
      #expect(answer.status == .badRequest)
    }
  }

  @Test func `a dump of an unknown device is refused`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.send(
        dump: try await bench.sealer().seal(sampleDump()), device: ServiceBench.oddDevice)
      #expect(answer.status == .notFound)
      #expect(answer.code == "DeviceNotFound")
    }
  }

  @Test(arguments: [true, false])
  func `a body of 10 MB is refused`(live: Bool) async throws {
    try await ServiceBench.run(live: live) { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.send(dump: [UInt8](repeating: 1, count: 10_000_000))
      #expect(answer.status == .contentTooLarge)
      #expect(answer.code == "BodyTooLarge")
      // The connection goes on.
      #expect(try await bench.upload(sampleDump()).status == .created)
    }
  }

  @Test func `the largest dump is stored and one byte more is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      // Of the room, the envelope takes 64 bytes and each chunk of 1,024 a tag of 16.
      let room = DumpPrologue.largestDump - DumpPrologue.size
      let memory = [UInt8](repeating: 7, count: room - 64 - 1024 * 16)
      let sealer = try await bench.sealer()
      let largest = try sealer.seal(sampleDump(memory: memory, hasBlocks: false))
      #expect(largest.count == 1 << 20)
      #expect(try await bench.send(dump: largest + [0]).status == .contentTooLarge)
      #expect(try await bench.send(dump: largest).status == .created)
    }
  }

  @Test func `offers are answered one by one`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.upload(sampleDump())
      let epoch = try await bench.epoch()
      let offers = [1, 2].map { bench.offer(bootCount: $0, epoch: epoch) }
      #expect(try await bench.verdicts(offers) == [.stored, .send])
      try await bench.setConsent(.disabled)
      #expect(try await bench.verdicts(offers) == [.refused, .refused])
    }
  }

  @Test func `a long list of dumps is paged newest first without gaps`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      let sealers = [
        ServiceBench.device: try await bench.sealer(),
        ServiceBench.oddDevice: try await bench.sealer(ServiceBench.oddDevice),
      ]
      for boot in UInt32(1)...130 {
        let dump = sampleDump(key: DumpKey(bootCount: boot, sequence: 1))
        let device = boot.isMultiple(of: 2) ? ServiceBench.device : ServiceBench.oddDevice
        let sealed = try #require(try sealers[device]?.seal(dump))
        _ = try await bench.send(sealed: sealed, device: device)
        // Some share a time.
        if boot.isMultiple(of: 3) { bench.clock.advance(seconds: 1) }
      }
      let first = try await bench.get(DumpPath.list + "?catalog=PLANT").decoded(DumpList.self)
      #expect(first.value.count == 100)
      let link = try #require(first.nextLink.flatMap { URL(string: $0) })
      // One that arrives between the pages moves nothing.
      _ = try await bench.upload(sampleDump(key: DumpKey(bootCount: 500, sequence: 1)))
      let second = try await bench.get("\(link.path)?\(link.query ?? "")").decoded(DumpList.self)
      #expect(second.nextLink == nil)
      let all = first.value + second.value
      #expect(Set(all.map(\.bootCount)) == Set(1...130))
      #expect(all.count == 130)
      #expect(all.map(\.receivedAt) == all.map(\.receivedAt).sorted(by: >))
      let some = try await bench.get(DumpPath.list + "?device=\(ServiceBench.oddDevice)")
        .decoded(DumpList.self)
      #expect(some.value.count == 65)
      #expect(try await bench.get(DumpPath.list + "?deviceGroup=Other").status == .ok)
      #expect(try await bench.get(DumpPath.list + "?$skipToken=x").status == .badRequest)
    }
  }

  @Test func `an unknown dump is not found`() async throws {
    try await ServiceBench.run { bench in
      for id in ["x", "eu-x", "us-east-", "..%2F..%2Fetc%2Fpasswd"] {
        let summary = try await bench.get(DumpPath.summary(id))
        let content = try await bench.get(DumpPath.content(id))
        #expect(summary.status == .notFound)
        #expect(content.code == "DumpNotFound")
      }
    }
  }
}

private func flipped(_ bytes: [UInt8], at index: Int) -> [UInt8] {
  var bytes = bytes
  bytes[index] ^= 0x10
  return bytes
}
