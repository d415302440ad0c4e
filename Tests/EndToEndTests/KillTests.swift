// kill -9 in the middle of transfers: what both victims have in common, and the service's turn.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite struct KillTests {
    struct Outcome: Sendable {
      var expected: [DumpKey] = []
      var told: Set<DumpKey> = []
      var stored: [StoredDump] = []
      var problems: [String] = []
      /// Dumps that the board was told are stored and that nobody has.
      var lost: Set<DumpKey> = []
      /// Kills that came at a system call.
      var atSystemCalls = 0
      /// Kills before the board was told, and after it.
      var early = 0
      var late = 0
    }

    /// As many fingerprints as it takes for every crash to leave a dump: a board keeps three of each.
    private static let crashes = [
      "crash null", "crash address", "crash fetch", "crash undefined", "crash divide",
      "crash unaligned", "crash execute", "crash code", "crash protected", "crash hardfault",
      "crash floats", "crash abort", "crash handler", "crash overflow", "crash bounds", "crash nil",
      "crash reason", "crash assert", "crash recursion",
    ]

    /// A crash for each round, in random order.
    static func order(_ generator: inout SeededGenerator) -> [String] {
      Array(repeating: crashes, count: 3).flatMap { $0 }.shuffled(using: &generator)
    }

    @Test(.timeLimit(.minutes(10)))
    func `a service killed 50 times keeps every dump once`() async throws {
      let generator = SeededGenerator.fromEnvironment()
      let begin = ContinuousClock.now
      let outcome = try await Stand.with { stand in
        var generator = generator
        var outcome = Outcome()
        try stand.startEverything()
        let order = Self.order(&generator)
        for round in 1...50 {
          let starts = stand.proxy.current.starts
          let key = try Self.crash(stand, order[round], &outcome)
          if generator.chance(0.3) {
            try Self.letTransferRun(stand, key, &generator)
            outcome.early += 1
          } else {
            try Self.letUploadRun(stand, key, &generator)
            outcome.late += 1
          }
          stand.killService()
          try stand.startService()
          try stand.waitUntilTold(key)
          try stand.proxy.wait(for: "the application") { $0.starts > starts }
          // So that the next kill meets an upload, too.
          _ = try stand.waitUntilStored([key])
        }
        try Self.finish(stand, &outcome)
        return outcome
      }
      Self.report("service", outcome, begin)
      Self.check(outcome, generator.seed)
    }

    static func crash(
      _ stand: Stand, _ command: String, _ outcome: inout Outcome
    ) throws -> DumpKey {
      let key = try stand.crash(command)
      outcome.expected.append(key)
      return key
    }

    /// Lets a random part of a dump's way to the bridge pass.
    static func letTransferRun(
      _ stand: Stand, _ key: DumpKey, _ generator: inout SeededGenerator
    ) throws {
      let target = stand.proxy.current.bytes + Int.random(in: 0...5500, using: &generator)
      try stand.proxy.wait(for: "\(target) bytes") { $0.bytes >= target || $0.told.contains(key) }
      if generator.chance(0.3) { usleep(UInt32.random(in: 0...30_000, using: &generator)) }
    }

    /// Lets a random part of a dump's way to the service pass: it begins when the board is told.
    static func letUploadRun(
      _ stand: Stand, _ key: DumpKey, _ generator: inout SeededGenerator
    ) throws {
      try stand.waitUntilTold(key)
      usleep(UInt32.random(in: 0...40_000, using: &generator))
    }

    static func finish(_ stand: Stand, _ outcome: inout Outcome) throws {
      outcome.told = stand.proxy.current.told
      // What is missing in the end is told with everything else that was seen.
      outcome.stored = try (try? stand.waitUntilStored(outcome.expected)) ?? stand.storedDumps()
      for dump in outcome.stored {
        let bytes = try stand.content(of: dump)
        let prologue = try? bytes.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
        if prologue?.header.key != dump.key {
          outcome.problems.append("\(dump.key) is not whole in the service")
        }
      }
    }

    static func report(
      _ victim: String, _ outcome: Outcome, _ begin: ContinuousClock.Instant
    ) {
      print(
        "\(victim): \(outcome.early + outcome.late) kills in \(begin.duration(to: .now)), \(outcome.early) before the board",
        "was told, \(outcome.late) after it, \(outcome.atSystemCalls) at a system call,",
        "\(outcome.stored.count) dumps stored")
    }

    static func check(_ outcome: Outcome, _ seed: UInt64) {
      #expect(outcome.problems == [], "seed \(seed)")
      #expect(outcome.told.isSuperset(of: outcome.expected), "seed \(seed)")
      // Exactly once each: no more rows than keys, no key missing.
      #expect(outcome.stored.map(\.key).sorted() == outcome.expected.sorted(), "seed \(seed)")
      #expect(outcome.early > 0 && outcome.late > 0, "the kills came at one kind of moment only")
    }
  }
}
