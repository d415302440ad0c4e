// Crash counts: true totals, whoever reports them and however often.

import Foundation
import NIOCore
import ServiceAPI
import Testing

@testable import CrashService

/// The fingerprint of ``sampleDump(key:memory:hasBlocks:)``.
private let sample = "0102030405060708"

private func count(
  _ number: UInt32, fingerprint: String = sample, firstBoot: UInt32 = 3, lastBoot: UInt32? = nil,
  firstUptime: UInt32? = 12, lastUptime: UInt32? = 34
) -> CountRequest.Count {
  CountRequest.Count(
    fingerprint: fingerprint, firstBoot: firstBoot, firstUptimeSeconds: firstUptime,
    lastBoot: lastBoot ?? firstBoot + number - 1, lastUptimeSeconds: lastUptime, count: number)
}

extension ServiceBench {
  func report(_ counts: CountRequest.Count..., device: String = Self.device) async throws -> Answer
  {
    try await send(
      .post, DevicePath.counts(device: device),
      ByteBuffer(bytes: try ServiceJSON.encoder().encode(CountRequest(counts: counts))))
  }

  func crashes(_ device: String = Self.device) async throws -> DeviceCrashes {
    try await get(DeviceCrashesPath.crashes(device: device)).decoded()
  }
}

@Suite struct CountTests {
  @Test func `a dump shows all crashes of its fingerprint on its device`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let id = try await bench.upload(sampleDump()).decoded(DumpReceipt.self).id
      #expect(try await bench.dumps().first?.crashes == nil, "unknown is not zero")
      let answer = try await bench.report(
        count(5), count(9, fingerprint: "00000000000000ff", firstBoot: 1))
      #expect(try answer.decoded(CountAnswer.self).stored == 2)
      let total = CrashTotal(
        count: 5, firstBoot: 3, firstUptimeSeconds: 12, lastBoot: 7, lastUptimeSeconds: 34)
      #expect(try await bench.dumps().map(\.crashes) == [total])
      #expect(
        try await bench.get(DumpPath.summary(id)).decoded(DumpSummary.self).crashes == total)
    }
  }

  @Test func `another device's crashes are its own`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.claim(ServiceBench.oddDevice)
      _ = try await bench.upload(sampleDump())
      _ = try await bench.report(count(8), device: ServiceBench.oddDevice)
      #expect(try await bench.dumps().map(\.crashes) == [nil])
      #expect(try await bench.crashes().total == 0)
      #expect(try await bench.crashes(ServiceBench.oddDevice).total == 8)
    }
  }

  @Test func `a count sent again, late, or by two bridges counts once`() async throws {
    let reports = [count(1), count(3), count(2), count(3), count(5), count(4), count(5)]
    for rotation in reports.indices {
      try await ServiceBench.run { bench in
        try await bench.setConsent(.enabled)
        for report in reports[rotation...] + reports[..<rotation] {
          #expect(try await bench.report(report).status == .ok)
        }
        let crashes = try await bench.crashes()
        #expect(
          crashes.fingerprints.map(\.total) == [
            CrashTotal(
              count: 5, firstBoot: 3, firstUptimeSeconds: 12, lastBoot: 7, lastUptimeSeconds: 34)
          ])
        #expect(crashes.total == 5)
      }
    }
  }

  @Test func `reports of many bridges at once leave the largest`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for number in UInt32(1)...30 {
          tasks.addTask { _ = try await bench.report(count(number)) }
        }
        try await tasks.waitForAll()
      }
      let total = try #require(try await bench.crashes().fingerprints.first?.total)
      #expect(total.count == 30)
      #expect(total.lastBoot == 32)
    }
  }

  @Test func `a fingerprint that the board forgot and met again adds up`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.report(
        count(4, firstBoot: 90, lastBoot: 99, firstUptime: 1, lastUptime: nil))
      _ = try await bench.report(count(3, firstBoot: 2, lastBoot: 7, firstUptime: nil))
      let total = try await bench.crashes().fingerprints.first?.total
      #expect(
        total
          == CrashTotal(
            count: 7, firstBoot: 2, firstUptimeSeconds: nil, lastBoot: 99, lastUptimeSeconds: nil))
    }
  }

  @Test func `counts reported before and after a change of region count once`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.upload(sampleDump())
      _ = try await bench.report(count(3))
      try await bench.setBoundary(.eu)
      _ = try await bench.report(count(5), count(2, fingerprint: "00000000000000ff"))
      #expect(try await bench.dumps().map(\.crashes?.count) == [5])
      #expect(try await bench.crashes().total == 7)
      // What an EU group reports is written to the EU's store alone.
      let device = try #require(DeviceID(ServiceBench.device))
      var stored: [[UInt32]] = []
      for store in bench.service.dumps.all {
        stored.append(try await store.counts(of: device).map(\.count.count).sorted())
      }
      #expect(stored == [[2, 5], [3], []])
    }
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      let total = try await bench.crashes().total
      #expect(total == 7, "lost by a restart")
    }
  }

  @Test func `without consent nothing is counted`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.report(count(5))
      #expect(answer.status == .forbidden)
      #expect(answer.code == "ConsentNotGiven")
      try await bench.setConsent(.enabled)
      #expect(try await bench.crashes().fingerprints == [])
      #expect(try await bench.report(count(5)).status == .ok)
      try await bench.setConsent(.disabled)
      #expect(try await bench.report(count(6)).status == .forbidden)
      #expect(try await bench.crashes().total == 5)
    }
  }

  @Test func `a device nobody claimed is not counted`() async throws {
    try await ServiceBench.run { bench in
      let device = ServiceBench.oddDevice
      #expect(try await bench.report(count(1), device: device).code == "DeviceNotFound")
      #expect(try await bench.provision(device).status == .created)
      #expect(try await bench.report(count(1), device: device).code == "ConsentNotGiven")
      let answer = try await bench.get(DeviceCrashesPath.crashes(device: device))
      #expect(answer.code == "DeviceNotFound")
      #expect(try await bench.get(DeviceCrashesPath.crashes(device: "xy")).status == .badRequest)
    }
  }

  @Test(arguments: ["", "0102", "+102030405060708", "010203040506070g", "0x02030405060708"])
  func `a fingerprint that is none is refused and nothing beside it is stored`(
    fingerprint: String
  ) async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.report(count(1), count(2, fingerprint: fingerprint))
      #expect(answer.status == .badRequest)
      #expect(answer.message.contains("16 hex digits"))
      #expect(try await bench.crashes().total == 0)
    }
  }

  @Test func `no crash and too many counts are refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.report(count(0, lastBoot: 3)).status == .badRequest)
      let many = CountRequest(counts: (0..<257).map { count(1, firstBoot: $0) })
      let body = ByteBuffer(bytes: try ServiceJSON.encoder().encode(many))
      let answer = try await bench.send(
        .post, DevicePath.counts(device: ServiceBench.device), body)
      #expect(answer.status == .badRequest)
      let most = CountRequest(counts: Array(many.counts.dropLast()))
      let fits = try await bench.send(
        .post, DevicePath.counts(device: ServiceBench.device),
        ByteBuffer(bytes: try ServiceJSON.encoder().encode(most)))
      #expect(fits.status == .ok)
      #expect(try await bench.crashes().total == 256)
    }
  }

  @Test func `a device shows its fingerprints, the most frequent first, and what was not captured`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.lease(uncaptured: 6)
      _ = try await bench.report(
        count(2, fingerprint: "00000000000000bb"), count(9, fingerprint: "00000000000000CC"),
        count(2, fingerprint: "00000000000000aa"))
      let crashes = try await bench.crashes()
      #expect(crashes.deviceId == ServiceBench.device)
      #expect(crashes.total == 13)
      #expect(crashes.uncaptured == 6)
      #expect(
        crashes.fingerprints.map(\.fingerprint) == [
          "00000000000000cc", "00000000000000aa", "00000000000000bb",
        ])
    }
  }
}
