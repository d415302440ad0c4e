// Console text and frames share one line: neither costs the other anything.

import Foundation
import HostBridge
import MartletTestKit
import Testing

extension BenchTests {
  @Suite struct ConsoleTests {
    /// KiB of console text that are asked for at once, and how often: so that what waits at a bridge
    /// that is slower than the line is not the whole of it.
    private static let piece = 32
    private static let pieces = 32
    /// What the demo says when it is asked once (Sources/DemoApp/Console.swift).
    private static let lines = (1...16 * piece).map {
      "chatter \($0) of \(16 * piece) the quick brown fox jumps over the lazy dog, twice"
    }

    private struct Outcome: Sendable {
      var lines: [String] = []
      var account = Account()
      /// How much of the text had passed when the dump was whole, of 1.
      var share = 1.0
    }

    @Test func `1 MiB of console text loses nothing, and a dump gets through it`() async throws {
      let outcome = try await scenario { bench in
        let serial = bench.serials[0]
        try BenchTests.begin(bench, with: [serial])
        // A dump waits on a board whose application runs.
        let dump = try bench.crash(serial, BenchTests.crashes) { try bench.killBridge() }
        try bench.waitForApplication(on: serial)
        let mark = bench.events.count
        try bench.startBridge(for: [serial])
        try bench.wait(for: .boardConnected, of: serial, since: mark)
        var text = ""
        for _ in 1...Self.pieces { text += try Self.chat(bench, serial) }
        try bench.waitUntilUploaded(dump, since: mark)
        var outcome = Outcome()
        outcome.lines = text.split(whereSeparator: \.isNewline).map(String.init)
        outcome.share = Self.share(before: dump, bench, since: mark, of: text.utf8.count)
        outcome.account = try bench.account(of: [dump])
        return outcome
      }
      // Whatever holds a part of such a line has to be the line.
      let seen = outcome.lines.filter {
        $0.contains("of \(Self.lines.count)") || $0.contains("fox")
      }
      let expected = (1...Self.pieces).flatMap { _ in Self.lines }
      #expect(seen.count == expected.count)
      let first = zip(seen, expected).first { $0 != $1 }
      #expect(first == nil, "the first line that differs, and what it should be")
      #expect(outcome.account.wrong == [])
      // Text that keeps frames waiting would let the dump pass when it is over. A bridge that is quick
      // has the dump before the first line.
      #expect(outcome.share < 1, "the dump did not pass while there was console text")
    }

    /// Lets the board say all lines once.
    private static func chat(_ bench: any Bench, _ serial: String) throws -> String {
      let mark = bench.events.count
      try bench.type("chatter \(String(piece, radix: 16))", on: serial)
      var text = ""
      let last = lines.last ?? ""
      try bench.wait(for: .console, "its last line", of: serial, since: mark) { event in
        text += event.text ?? ""
        return text.suffix(2 * last.count).contains(last + "\r\n")
      }
      return text
    }

    /// The share of the text that was told before the dump was whole.
    private static func share(
      before dump: Expected, _ bench: any Bench, since mark: Int, of total: Int
    ) -> Double {
      var bytes = 0
      for event in bench.events.since(mark) {
        if event.event == .console { bytes += event.text?.utf8.count ?? 0 }
        if event.event == .dumpSpooled, event.dump == dump.key.text {
          return Double(bytes) / Double(total)
        }
      }
      return 1
    }
  }
}
