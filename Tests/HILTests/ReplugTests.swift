// A cable that is pulled and put back again and again.

import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import Testing

extension BenchTests {
  @Suite struct ReplugTests {
    private static let rounds = 100
    /// Every so many rounds the board is unplugged with a dump half across.
    private static let roundsPerCrash = 5
    /// Connections for leases, offers, dumps and counts at the same time, but for the one of before.
    fileprivate static let mostKept = 3

    private struct Outcome: Sendable {
      var account = Account()
      var before: [String] = []
      var after: [String] = []

      /// Handles that are not closed again. Of connections to the service the client keeps some for its
      /// next requests, as many as were once open at the same time.
      var leaked: Int {
        let (before, after) = (Self.parted(before), Self.parted(after))
        return max(0, after.others - before.others)
          + max(0, after.sockets - before.sockets - ReplugTests.mostKept)
      }

      private static func parted(_ handles: [String]) -> (sockets: Int, others: Int) {
        let sockets = handles.count { $0.hasPrefix("socket:") }
        return (sockets, handles.count - sockets)
      }
    }

    @Test func `100 times unplugged and replugged, nothing is lost and no handle stays open`()
      async throws
    {
      let outcome = try await scenario { bench in
        let serial = bench.serials[0]
        try BenchTests.begin(bench, with: [serial])
        var outcome = Outcome()
        outcome.before = try bench.openHandles()
        var dumps: [Expected] = []
        let mark = bench.events.count
        for round in 1...Self.rounds {
          if round.isMultiple(of: Self.roundsPerCrash) {
            dumps.append(
              try bench.crash(serial, BenchTests.crashes) { try Self.unplug(bench, serial) })
          } else {
            try Self.unplug(bench, serial)
          }
          try Self.plug(bench, serial)
          if let dump = dumps.last { try bench.waitUntilUploaded(dump, since: mark) }
        }
        try bench.wait(for: .leaseGranted, of: serial, since: bench.events.count)
        let before = outcome.before
        outcome.after = try Self.settledHandles(bench) {
          Outcome(before: before, after: $0).leaked == 0
        }
        outcome.account = try bench.account(of: dumps)
        return outcome
      }
      Figure.report("replug.lost", outcome.account.lost)
      Figure.report("replug.handles.leaked", outcome.leaked)
      #expect(outcome.account.wrong == [])
      #expect(outcome.leaked == 0, "before: \(outcome.before)\nafter: \(outcome.after)")
    }

    private static func unplug(_ bench: any Bench, _ serial: String) throws {
      let mark = bench.events.count
      try bench.unplug(serial)
      try bench.wait(for: .boardDisconnected, of: serial, since: mark)
    }

    private static func plug(_ bench: any Bench, _ serial: String) throws {
      let mark = bench.events.count
      try bench.plug(serial)
      try bench.wait(for: .boardHello, of: serial, since: mark)
    }

    /// The bridge's descriptors. What is on its way out gets some time to go.
    private static func settledHandles(
      _ bench: any Bench, until isSettled: ([String]) -> Bool
    ) throws -> [String] {
      var handles: [String] = []
      _ = try? poll(for: "closed handles", within: .seconds(20)) {
        handles = try bench.openHandles()
        return isSettled(handles) ? handles : nil
      }
      return handles
    }
  }
}
