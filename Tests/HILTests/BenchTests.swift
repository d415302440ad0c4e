// What happens to boards, cables and bridges on a bench, and what becomes of the dumps.

import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import Testing

/// One bench, one scenario after the other. The crashes are counted over all of them.
@Suite(.serialized, .bench, .timeLimit(.minutes(10)))
struct BenchTests {
  static let crashes = Crashes()

  /// Starts over: the bridge of the scenario before is killed, and one for these boards is started.
  static func begin(_ bench: any Bench, with serials: [String]) throws {
    try bench.killBridge()
    try bench.startBridgeAndWait(for: serials)
  }

  @Test func `a crash on a board that is attached reaches the service`() async throws {
    let account = try await scenario { bench in
      let serial = bench.serials[0]
      try Self.begin(bench, with: [serial])
      let mark = bench.events.count
      let dump = try bench.crash(serial, Self.crashes) {}
      try bench.waitUntilUploaded(dump, since: mark)
      return try bench.account(of: [dump])
    }
    #expect(account.wrong == [])
  }

  @Test func `a board unplugged in the middle of a transfer and replugged sends its dump once`()
    async throws
  {
    let (account, wasWhole) = try await scenario { bench in
      let serial = bench.serials[0]
      try Self.begin(bench, with: [serial])
      let mark = bench.events.count
      let dump = try bench.crash(serial, Self.crashes) {
        try bench.unplug(serial)
        try bench.wait(for: .boardDisconnected, of: serial, since: mark)
      }
      let wasWhole = bench.events.since(mark).contains { $0.event == .dumpSpooled }
      try bench.plug(serial)
      try bench.waitUntilUploaded(dump, since: mark)
      return (try bench.account(of: [dump]), wasWhole)
    }
    #expect(account.wrong == [])
    #expect(!wasWhole, "the transfer was over before the board was unplugged")
  }

  @Test(.enabled(if: BenchTrait.serials.count != 1, "needs two boards: BOARD=<serial>,<serial>"))
  func `two boards on one bridge both get their dumps through`() async throws {
    let account = try await scenario { bench in
      let pair = Array(bench.serials.prefix(2))
      var dumps: [Expected] = []
      // Each is left with a dump, so that both have one when the bridge comes.
      for serial in pair {
        try Self.begin(bench, with: [serial])
        dumps.append(try bench.crash(serial, Self.crashes) { try bench.killBridge() })
      }
      let mark = bench.events.count
      try bench.startBridge(for: pair)
      for dump in dumps { try bench.waitUntilUploaded(dump, since: mark) }
      return try bench.account(of: dumps)
    }
    #expect(account.wrong == [])
  }

  @Test func `a bridge killed in the middle of a transfer and restarted gets the dump once`()
    async throws
  {
    let (account, wasWhole) = try await scenario { bench in
      let serial = bench.serials[0]
      try Self.begin(bench, with: [serial])
      let mark = bench.events.count
      let dump = try bench.crash(serial, Self.crashes) { try bench.killBridge() }
      let wasWhole = bench.events.since(mark).contains { $0.event == .dumpSpooled }
      try bench.startBridge(for: [serial])
      try bench.waitUntilUploaded(dump, since: mark)
      return (try bench.account(of: [dump]), wasWhole)
    }
    #expect(account.wrong == [])
    #expect(!wasWhole, "the transfer was over before the bridge was killed")
  }

  @Test func `a board reset in the middle of a frame sends its dump after the reset`() async throws
  {
    let (account, boots) = try await scenario { bench in
      let serial = bench.serials[0]
      try Self.begin(bench, with: [serial])
      let mark = bench.events.count
      let before = try bench.hello(of: serial).bootCount ?? 0
      let dump = try bench.nextKey(of: serial)
      try bench.crashAndReset(serial, Self.crashes.next(on: serial))
      try bench.waitUntilUploaded(dump, since: mark)
      let boot = try bench.boot(of: serial, whenSpooled: dump, since: mark)
      return (try bench.account(of: [dump]), boot - before)
    }
    #expect(account.wrong == [])
    // One after the crash, one after the reset.
    #expect(boots == 2, "the dump was whole before the board was reset")
  }
}
