// Consent: off by default, and what a lease says of it.

import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ConsentTests {
  @Test func `without consent a dump is refused and nothing is stored`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.upload(sampleDump())
      #expect(answer.status == .forbidden)
      #expect(answer.code == "ConsentNotGiven")
      #expect(answer.message.contains("Field Test"))
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `after a revocation a dump is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      try await bench.setConsent(.disabled)
      let key = DumpKey(bootCount: 2, sequence: 1)
      let answer = try await bench.upload(sampleDump(key: key), bootCount: 2)
      #expect(answer.code == "ConsentNotGiven")
      #expect(try await bench.dumps().count == 1)
    }
  }

  @Test func `no dump is stored after a revocation that came while it was on its way`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      // Many uploads race with one revocation; whatever is stored was stored before it committed.
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for boot in UInt32(1)...40 {
          tasks.addTask {
            let dump = sampleDump(key: DumpKey(bootCount: boot, sequence: 1))
            let answer = try await bench.upload(dump, bootCount: boot)
            #expect([.created, .forbidden].contains(answer.status))
          }
        }
        tasks.addTask {
          try await bench.setConsent(.disabled)
          let stored = try await bench.dumps().count
          for boot in UInt32(100)...110 {
            let dump = sampleDump(key: DumpKey(bootCount: boot, sequence: 1))
            #expect(try await bench.upload(dump, bootCount: boot).status == .forbidden)
          }
          #expect(try await bench.dumps().count == stored)
        }
        try await tasks.waitForAll()
      }
    }
  }

  @Test func `consent that goes while a dump is being stored waits for it`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let device = try #require(DeviceID(ServiceBench.device))
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let (ended, end) = AsyncStream.makeStream(of: Void.self)
      let order = OrderLog()
      let gate = try #require(bench.service.management as? SQLiteManagementStore).gate
      async let held: Void = bench.service.management.holdingPlacement(of: device) { placement in
        #expect(placement?.consent == .enabled)
        begin.finish()
        for await _ in ended {}
        order.add("stored")
      }
      for await _ in begun {}
      async let revoked: Void = {
        try await bench.setConsent(.disabled)
        order.add("revoked")
      }()
      // The revocation is under way before the dump is done.
      while gate.waitingCount == 0, order.entries.isEmpty { await Task.yield() }
      end.finish()
      try await held
      try await revoked
      #expect(order.entries == ["stored", "revoked"])
    }
  }

  @Test func `a lease carries the bytes of the format`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let nonce: [UInt8] = (0..<16).map { $0 &* 7 }
      let answer = try await bench.lease(nonce: nonce).decoded(LeaseAnswer.self)
      #expect(answer.allowed)
      #expect(answer.lifetimeSeconds == 172_800)
      let bytes = [UInt8](answer.lease)
      try #require(bytes.count == 100)
      #expect(Array(bytes[0..<8]) == [0x4D, 0x4C, 1, 0, 1, 0, 0, 0])
      #expect(Array(bytes[8..<24]) == nonce)
      #expect(word(bytes, 24) == answer.epoch)
      #expect(Array(bytes[28..<32]) == [0x00, 0xA3, 0x02, 0x00])
      #expect(Array(bytes[32..<96]) == DeviceID(ServiceBench.device)?.bytes)
      #expect(bytes[95] == 0xA2)
      #expect(word(bytes, 96) == bytes[0..<96].withUnsafeBytes { CRC32C.checksum($0) })
    }
  }

  @Test func `a denied lease lasts no second`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.lease().decoded(LeaseAnswer.self)
      #expect(!answer.allowed)
      #expect(answer.lifetimeSeconds == 0)
      let bytes = [UInt8](answer.lease)
      #expect(bytes[4] == 0)
      #expect(word(bytes, 28) == 0)
    }
  }

  @Test func `the epoch rises with every change of consent and every move`() async throws {
    try await ServiceBench.run { bench in
      var last = try await bench.epoch()
      func expectRise() async throws {
        let epoch = try await bench.epoch()
        #expect(epoch > last)
        last = epoch
      }
      try await bench.setConsent(.enabled)
      try await expectRise()
      try await bench.setConsent(.enabled)
      #expect(try await bench.epoch() == last)
      try await bench.setConsent(.disabled)
      try await expectRise()
      try await bench.setConsent(.enabled)
      try await expectRise()
      _ = try await bench.patch(
        ServiceBench.group.devicePath(ServiceBench.device),
        #"{"properties":{"deviceGroupId":"\#(ServiceBench.otherGroup.path)"}}"#)
      try await expectRise()
      _ = try await bench.claim(ServiceBench.device)
      try await expectRise()
      _ = try await bench.claim(ServiceBench.device)
      #expect(try await bench.epoch() == last)
      _ = try await bench.put(ServiceBench.group.path, "{}")
      try await expectRise()
    }
  }

  @Test func `the epoch does not go back when a catalog is made anew`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let before = try await bench.epoch()
      #expect(try await bench.send(.delete, ServiceBench.catalog.path).status == .ok)
      #expect(try await bench.lease().status == .notFound)
      #expect(try await bench.upload(sampleDump()).status == .notFound)
      for path in [
        ServiceBench.catalog.path, ServiceBench.product.path, ServiceBench.group.path,
      ] {
        #expect(try await bench.put(path, "{}").status == .created)
      }
      _ = try await bench.claim(ServiceBench.device)
      #expect(try await bench.epoch() > before)
    }
  }

  @Test func `a consent change in one group leaves the devices of others alone`() async throws {
    try await ServiceBench.run { bench in
      let before = try await bench.epoch()
      try await bench.setConsent(.enabled, ServiceBench.otherGroup)
      #expect(try await bench.epoch() == before)
    }
  }

  @Test func `a lease for an unknown device or with a short nonce is refused`() async throws {
    try await ServiceBench.run { bench in
      let unknown = try await bench.lease(ServiceBench.oddDevice)
      #expect(unknown.status == .notFound)
      #expect(unknown.code == "DeviceNotFound")
      #expect(try await bench.lease("zz").status == .badRequest)
      #expect(try await bench.lease(nonce: [1, 2, 3]).status == .badRequest)
    }
  }

  @Test func `uncaptured crashes are added up once per nonce`() async throws {
    try await ServiceBench.run { bench in
      let device = try #require(DeviceID(ServiceBench.device))
      _ = try await bench.lease(uncaptured: 3)
      _ = try await bench.lease(uncaptured: 3)
      _ = try await bench.lease(nonce: Array(16..<32), uncaptured: 4)
      #expect(try await bench.service.management.uncapturedCrashes(device: device) == 7)
    }
  }

  private func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
  }
}
