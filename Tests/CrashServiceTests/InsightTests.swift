// Insights: true counts by day, with consent and without, never counted twice.

import Foundation
import NIOCore
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct InsightTests {
  private static func insights(_ bench: ServiceBench, _ query: String = "") async throws
    -> [DeviceInsight]
  {
    let path = ServiceBench.catalog.path + "/listDeviceInsights?api-version=2024-04-01" + query
    let answer = try await bench.post(path)
    #expect(answer.status == .ok, "\(answer.message)")
    return try answer.decoded(ResourceList<DeviceInsight>.self).value
  }

  private static func report(
    _ bench: ServiceBench, _ number: UInt32, fingerprint: String = "00000000000000aa",
    firstBoot: UInt32 = 3
  ) async throws {
    let answer = try await bench.report(
      CountRequest.Count(
        fingerprint: fingerprint, firstBoot: firstBoot, firstUptimeSeconds: 1,
        lastBoot: firstBoot + number, lastUptimeSeconds: 2, count: number))
    #expect(answer.status == .ok)
  }

  private static let day: TimeInterval = 86_400

  @Test func `what grew since the last report is in the window of its day`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await Self.report(bench, 5)
      try await Self.report(bench, 5)
      try await Self.report(bench, 3)
      try await Self.report(bench, 7)
      try await Self.report(bench, 2, firstBoot: 90)
      try await Self.report(bench, 1, fingerprint: "00000000000000bb")
      bench.clock.advance(seconds: Self.day)
      try await Self.report(bench, 11)
      let seen = try await Self.insights(bench)
      #expect(seen.map(\.eventCount) == [4, 9, 1])
      #expect(
        seen.map(\.description) == [
          "AppCrash (fingerprint=00000000000000aa)", "AppCrash (fingerprint=00000000000000aa)",
          "AppCrash (fingerprint=00000000000000bb)",
        ])
      let latest = try #require(seen.first)
      #expect(latest.deviceId == ServiceBench.device)
      #expect(latest.eventCategory == "AppCrash" && latest.eventClass == "App")
      #expect(latest.eventType == "Unplanned")
      #expect((latest.startTimestampUtc..<latest.endTimestampUtc).contains(bench.clock.now))
      #expect(latest.endTimestampUtc.timeIntervalSince(latest.startTimestampUtc) == Self.day)
      #expect(seen[1].endTimestampUtc == latest.startTimestampUtc)
    }
  }

  @Test func `crashes without consent are counted, and nothing else of them is kept`() async throws
  {
    try await ServiceBench.run { bench in
      _ = try await bench.lease(nonce: Array(0..<16), uncaptured: 4)
      // The same request again, as after a lost answer.
      _ = try await bench.lease(nonce: Array(0..<16), uncaptured: 4)
      _ = try await bench.lease(nonce: Array(1..<17), uncaptured: 2)
      _ = try await bench.lease(nonce: Array(2..<18), uncaptured: 0)
      let seen = try await Self.insights(bench)
      #expect(seen.map(\.eventCount) == [6])
      #expect(seen.first?.description == "AppCrash (not captured: no consent)")
    }
  }

  @Test func `a boundary that comes and goes counts no crash twice`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await Self.report(bench, 5)
      try await bench.setBoundary(.eu)
      try await Self.report(bench, 5)
      try await Self.report(bench, 8)
      try await bench.setBoundary(.unbounded)
      try await Self.report(bench, 9)
      let seen = try await Self.insights(bench)
      #expect(seen.map(\.eventCount).reduce(0, +) == 9)
    }
  }

  @Test func `fingerprints of the EU are in no other region's database`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setBoundary(.eu)
      try await bench.setConsent(.enabled)
      try await Self.report(bench, 5, fingerprint: "feedfacecafe0123")
      #expect(try await Self.insights(bench).count == 1)
      for store in bench.service.dumps.all {
        let windows = try await store.windows(
          ofCatalog: bench.service.management.catalogID(ServiceBench.catalog),
          page: Page(offset: 0, limit: 10))
        #expect(windows.count == (store.region == .eu ? 1 : 0))
      }
    }
  }

  @Test func `insights are paged and filtered over all that keep them`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      for number in 1...5 {
        try await Self.report(bench, UInt32(number), fingerprint: "000000000000000\(number)")
      }
      _ = try await bench.lease(uncaptured: 9)
      bench.clock.advance(seconds: Self.day)
      try await bench.setBoundary(.eu)
      try await Self.report(bench, 1, fingerprint: "0000000000000006")
      let all = try await Self.insights(bench)
      #expect(all.map(\.eventCount) == [1, 1, 2, 3, 4, 5, 9])
      for skip in 0...7 {
        let page = try await Self.insights(bench, "&$skip=\(skip)&$maxpagesize=2")
        #expect(page == Array(all.dropFirst(skip).prefix(2)))
      }
      let nine = try await Self.insights(bench, "&$filter=eventCount%20eq%209")
      #expect(nine.map(\.description) == ["AppCrash (not captured: no consent)"])
      let three = try await Self.insights(
        bench,
        "&$filter=eventClass%20eq%20'app'%20and%20endswith(description,'03)')%20and%20deviceId%20"
          + "eq%20'\(ServiceBench.device.uppercased())'")
      #expect(three.map(\.eventCount) == [3])
      #expect(try await Self.insights(bench, "&$filter=eventType%20eq%20'Planned'").isEmpty)
    }
  }

  @Test func `windows are gone after 29 days, and what a device was moved away from stays`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await Self.report(bench, 5)
      _ = try await bench.lease(uncaptured: 3)
      #expect(
        try await bench.send(.delete, ServiceBench.group.devicePath(ServiceBench.device)).status
          == .ok)
      bench.clock.advance(seconds: 28 * Self.day)
      try await bench.service.deleteOverdue()
      #expect(try await Self.insights(bench).map(\.eventCount) == [5, 3])
      bench.clock.advance(seconds: Self.day)
      try await bench.service.deleteOverdue()
      #expect(try await Self.insights(bench).isEmpty)
    }
  }
}
