// Crashes that leave no dump are counted all the way to the service.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import ServiceAPI
import Testing

extension StandTests {
  @Suite struct CountTests {
    @Test func `five crashes alike leave three dumps and a total of five`() async throws {
      let seen = try await Stand.with { stand in
        try stand.startEverything()
        var keys: [DumpKey] = []
        for _ in 0..<5 { keys.append(try stand.crashAndStart("crash divide")) }
        let other = try stand.crashAndStart("crash nil")
        try stand.waitUntilCounted(6)
        let dumps = try stand.summaries()
        return (
          keys: keys, other: other, dumps: dumps, crashes: try stand.crashes(),
          device: try stand.martlet("device", "show", "--device", stand.device),
          table: try stand.martlet("device", "crashes", "--device", stand.device),
          report: try stand.martlet("dump", "show", dumps.last?.id ?? "")
        )
      }
      let (last, first) = (seen.keys[4].bootCount, seen.keys[0].bootCount)
      #expect(
        Set(seen.dumps.map(\.bootCount)) == Set((seen.keys[..<3] + [seen.other]).map(\.bootCount)))
      let five = seen.dumps.filter { $0.bootCount != seen.other.bootCount }
      #expect(five.map(\.crashes?.count) == [5, 5, 5])
      #expect(five.allSatisfy { $0.crashes?.firstBoot == first && $0.crashes?.lastBoot == last })
      #expect(five.allSatisfy { $0.occurrences == 1 })
      let single = seen.dumps.first { $0.bootCount == seen.other.bootCount }
      #expect(single?.crashes?.count == 1)
      #expect(seen.crashes.total == 6)
      #expect(seen.crashes.uncaptured == 0)
      #expect(seen.crashes.fingerprints.map(\.total.count) == [5, 1])
      #expect(seen.device.contains("Crashes                6\n"), "\(seen.device)")
      #expect(seen.table.contains("\(five[0].fingerprint)  5        \(first)"), "\(seen.table)")
      #expect(
        seen.report.contains(
          "all of this fingerprint on this device: 5 crashes: the first in boot "),
        "\(seen.report)")
    }

    @Test func `totals stay true when the service is away and the bridge is killed`() async throws {
      let crashes = try await Stand.with { stand in
        try stand.startEverything()
        _ = try stand.crashAndStart("crash bounds")
        stand.killService()
        for _ in 0..<3 { _ = try stand.crashAndStart("crash bounds") }
        stand.killBridge()
        // Without a bridge the board is on its own.
        let starts = stand.proxy.current.starts
        stand.proxy.type("crash bounds")
        try stand.proxy.wait(for: "the application") { $0.starts > starts }
        try stand.startService()
        try stand.startBridge()
        try stand.waitUntilCounted(5)
        // Counts may be there before dumps, and what is not there yet goes with the spool.
        _ = try poll(for: "three dumps") { try stand.summaries().count == 3 ? 3 : nil }
        // Another bridge with a spool of its own tells the same once more.
        stand.killBridge()
        try FileManager.default.removeItem(atPath: stand.spool)
        try stand.startBridge()
        try stand.waitForBridge(.countsUploaded)
        return (try stand.crashes(), try stand.summaries().count)
      }
      #expect(crashes.0.total == 5)
      #expect(crashes.0.fingerprints.count == 1)
      #expect(crashes.1 == 3)
    }
  }
}

extension Stand {
  /// 128 hex digits.
  var device: String { proxy.current.hello?.deviceID.text ?? "" }

  /// Crashes the application and waits until it runs again.
  func crashAndStart(_ command: String) throws -> DumpKey {
    let starts = proxy.current.starts
    let key = try crash(command)
    try proxy.wait(for: "the application after \(command)") { $0.starts > starts }
    return key
  }

  /// What the operators' tool lists.
  func summaries() throws -> [DumpSummary] {
    let text = try martlet("dump", "list", "-o", "json")
    return try ServiceJSON.decoder().decode([DumpSummary].self, from: Data(text.utf8))
  }

  /// What the operators' tool says of the board's crashes.
  func crashes() throws -> DeviceCrashes {
    let text = try martlet("device", "show", "--device", device, "-o", "json")
    return try ServiceJSON.decoder().decode(Detail.self, from: Data(text.utf8)).crashes
  }

  private struct Detail: Decodable {
    var crashes: DeviceCrashes
  }

  /// Waits until the service counts this many crashes of the board.
  func waitUntilCounted(_ total: UInt64) throws {
    _ = try poll(for: "a total of \(total) crashes") {
      try crashes().total == total ? total : nil
    }
  }
}
