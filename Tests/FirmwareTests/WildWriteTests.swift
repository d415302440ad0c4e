// The application scribbles over all of its memory, then dies: its dump must be there all the same.

import DumpAnalysis
import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct WildWriteTests {
    /// What the runs saw.
    private struct Tally: Sendable {
      var lockups = 0
      var kinds: [CrashKind: Int] = [:]
      var registerOnly = 0
      var problems: [String] = []
    }

    @Test(.timeLimit(.minutes(30)))
    func `an application that scribbles over its memory leaves its dump`() async throws {
      let generator = SeededGenerator.fromEnvironment()
      let runs = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] == nil ? 40 : 1000
      let tally = try await Firmware.withBoard { board in
        var generator = generator
        var tally = Tally()
        var link: LiveLink?
        for run in 0..<runs {
          // Each of the nine ways in turn, so that few runs see them all.
          let seed = UInt32(truncatingIfNeeded: generator.next()) & ~15 | UInt32(run % 9)
          do {
            let alive = try link ?? Self.start(board)
            link = alive
            try Self.scribble(alive, seed, &tally)
          } catch {
            // A board that says nothing more, or an emulator that gave up.
            tally.lockups += 1
            tally.problems.append(
              "scribble \(String(seed, radix: 16)): \(error); \(board.registers());"
                + " \(board.complaints)")
            link = nil
          }
        }
        return tally
      }
      Figure.report("wildwrite.lockups", tally.lockups)
      Figure.report("wildwrite.runs", runs)
      Figure.report("wildwrite.registeronly", tally.registerOnly)
      print("wild writes died as \(tally.kinds)")
      #expect(tally.problems == [], "seed \(generator.seed)")
      #expect(tally.lockups == 0)
      #expect(tally.kinds.values.reduce(0, +) == runs)
      #expect(tally.kinds.count > 2, "they died in too few ways: \(tally.kinds)")
    }

    /// A board whose lease keeps any number of identical crashes.
    private static func start(_ board: QEMUBoard) throws -> LiveLink {
      let link = try board.start()
      _ = try link.give(try link.hello(), dumpsPerFingerprint: 255)
      try link.wait(forText: "ready")
      return link
    }

    /// Scribbles, and looks at the dump that the next boot offers; ends with the application running.
    private static func scribble(_ link: LiveLink, _ seed: UInt32, _ tally: inout Tally) throws {
      let before = try link.who()
      link.forget()
      link.type("scribble \(String(seed, radix: 16))")
      let after = try link.hello { $0.bootCount > before.bootCount }
      func complain(_ what: String) {
        tally.problems.append("scribble \(String(seed, radix: 16)): \(what)")
      }
      if after.resetCause != .fault { complain("the reset was \(after.resetCause)") }
      if after.leaseState != .allowed { complain("the lease is \(after.leaseState)") }
      _ = try link.welcome()
      let offers = try link.offers()
      if offers.count != 1 { complain("\(offers.count) dumps") }
      for offer in offers {
        do {
          let dump = try DecodedDump(bytes: link.open(link.fetch(offer)))
          tally.kinds[dump.header.kind, default: 0] += 1
          if dump.header.isRegisterOnly { tally.registerOnly += 1 }
          if dump.core == nil { complain("no registers") }
        } catch {
          complain("the dump does not verify: \(error)")
        }
        _ = try link.receipt(offer.key, .stored)
      }
      _ = try link.go()
      try link.wait(forText: "ready")
    }
  }
}
