// The emulator killed, or its board's power cut, at random moments during capture and reboot.

import ConsentLease
import DumpAnalysis
import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct PowerCutTests {
    /// What a run of cuts saw.
    private struct Tally: Sendable {
      var captures = 0
      var offered = 0
      var released = 0
      var torn = 0
      var problems: [String] = []
    }

    /// The host's memory of a board whose power is cut again and again.
    private struct Witness {
      /// Dumps that were offered whole and not released: none may go missing.
      var held: [DumpKey: [UInt8]] = [:]
      /// Dumps of crashes from which the board was seen to come back: each must be offered.
      var captured: Set<DumpKey> = []
      /// Dumps that a DONE released: none may come back.
      var released: Set<DumpKey> = []
      /// Released in this start of QEMU, which may not have written it yet.
      var justReleased: Set<DumpKey> = []
      /// Released before QEMU was killed: those that are offered no more are gone for good.
      var unsettled: Set<DumpKey> = []
      var lastBoot: UInt32 = 0
      var device: DeviceID?
      var tally = Tally()

      /// QEMU has ended: what its file may lack is not held against the board.
      mutating func end(_ cut: Cut) {
        switch cut {
        case .kill:
          captured = []
          unsettled.formUnion(justReleased)
        case .power: released.formUnion(justReleased)
        }
        justReleased = []
      }

      mutating func complain(_ round: Int, _ what: String) {
        tally.problems.append("round \(round): \(what)")
      }
    }

    /// Where the emulator ends.
    enum Cut: Sendable {
      /// kill -9 of QEMU, whose file may lack what the flash had taken last.
      case kill
      /// The processor stops; the file holds what the flash had taken.
      case power
    }

    @Test(.timeLimit(.minutes(10)), arguments: [Cut.kill, .power])
    func `ended at a hundred moments the board loses no dump and corrupts none`(_ cut: Cut)
      async throws
    {
      let generator = SeededGenerator.fromEnvironment()
      let begin = ContinuousClock.now
      let tally = try await Firmware.withBoard { board in
        var generator = generator
        var witness = Witness()
        // The identity is older than any cut.
        try board.start().provision()
        try board.cutPower()
        for round in 1...100 {
          try Self.cutOnce(board, cut, round, &generator, &witness)
        }
        // The last cut is looked at, too.
        let link = try board.start()
        try Self.inspect(link, 101, &generator, &witness)
        return witness.tally
      }
      print(
        "\(cut): 100 in \(begin.duration(to: .now)), \(tally.captures) crashes,",
        "\(tally.torn) captures torn, \(tally.offered) dumps verified, \(tally.released) released")
      #expect(tally.problems == [], "seed \(generator.seed)")
      #expect(tally.offered > 50)
      #expect(tally.torn > 0, "no cut fell into a capture: the test did not test")
    }

    /// Boots, looks at everything the board says, crashes it and cuts the power somewhere.
    private static func cutOnce(
      _ board: QEMUBoard, _ cut: Cut, _ round: Int, _ generator: inout SeededGenerator,
      _ witness: inout Witness
    ) throws {
      let link = try board.start()
      defer { witness.end(cut) }
      // One in eight falls into the start itself.
      if generator.next() % 8 == 0 {
        try pass(link, .microseconds(Int.random(in: 0...60_000, using: &generator)))
        try end(board, cut)
        return
      }
      try inspect(link, round, &generator, &witness)
      try link.wait(forText: "ready")
      link.type(crashes.randomElement(using: &generator) ?? "crash nil")
      try link.wait(forText: "crashing")
      witness.tally.captures += 1
      switch generator.next() % 4 {
      case 0:
        // After some bytes of the reboot's greeting; the first two may end the console's line.
        let bytes = link.bytesReceived + Int.random(in: 3...200, using: &generator)
        try link.wait(for: "the reboot") { link.bytesReceived >= bytes ? () : nil }
        witness.captured.insert(DumpKey(bootCount: witness.lastBoot, sequence: 1))
      case 1:
        try pass(link, .microseconds(Int.random(in: 0...60_000, using: &generator)))
      default:
        // Most moments of a capture lie in its first milliseconds.
        try pass(link, .microseconds(Int.random(in: 0...8_000, using: &generator)))
      }
      try end(board, cut)
      if isTorn(try board.flashBytes()) { witness.tally.torn += 1 }
    }

    private static func end(_ board: QEMUBoard, _ cut: Cut) throws {
      switch cut {
      case .kill: board.kill()
      case .power: try board.cutPower()
      }
    }

    private static let crashes = [
      "crash null", "crash address", "crash divide", "crash floats", "crash overflow",
      "crash bounds", "crash nil", "crash reason", "crash assert",
    ]

    /// Lets real time pass while the board runs: the moment of a cut.
    private static func pass(_ link: LiveLink, _ time: Duration) throws {
      let end = ContinuousClock.now + time
      while try link.receive(until: end) {}
    }

    /// Checks every dump that is offered, and that none is missing.
    private static func inspect(
      _ link: LiveLink, _ round: Int, _ generator: inout SeededGenerator, _ witness: inout Witness
    ) throws {
      let hello = try link.hello()
      if hello.bootCount <= witness.lastBoot { witness.complain(round, "boot count went back") }
      witness.lastBoot = hello.bootCount
      if let device = witness.device, device != hello.deviceID {
        witness.complain(round, "another identity")
      }
      witness.device = hello.deviceID
      // Every crash is to leave a dump, identical ones, too.
      guard try link.give(hello, dumpsPerFingerprint: 255).state == .allowed else {
        witness.complain(round, "no lease was taken")
        return
      }
      _ = try link.welcome()
      let offers = try link.offers()
      let keys = Set(offers.map(\.key))
      witness.released.formUnion(witness.unsettled.subtracting(keys))
      witness.unsettled = []
      for missing in witness.held.keys where !keys.contains(missing) {
        witness.complain(round, "dump \(missing) is lost")
      }
      for missing in witness.captured.subtracting(keys) {
        witness.complain(round, "the crash \(missing) left no dump")
      }
      witness.captured = []
      for offer in offers {
        let bytes = try link.fetch(offer)
        do {
          _ = try DecodedDump(bytes: link.open(bytes))
        } catch {
          witness.complain(round, "dump \(offer.key) does not verify: \(error)")
        }
        if let known = witness.held[offer.key], known != bytes {
          witness.complain(round, "dump \(offer.key) has changed")
        }
        if witness.released.contains(offer.key) {
          witness.complain(round, "dump \(offer.key) came back")
        }
        witness.held[offer.key] = bytes
        witness.tally.offered += 1
      }
      // The ring has 16 slots and makes room when they are full; so that nothing may ever go, few stay.
      var kept = 0
      for offer in offers.reversed() {
        if kept < 4, generator.chance(0.6) {
          kept += 1
          continue
        }
        guard try link.receipt(offer.key, .stored).status == .done else {
          witness.complain(round, "dump \(offer.key) was not released")
          continue
        }
        witness.held[offer.key] = nil
        witness.justReleased.insert(offer.key)
        witness.tally.released += 1
      }
      if hello.phase == .agent { _ = try link.go() }
    }

    /// Whether some slot holds the beginning of a dump that was never finished.
    private static func isTorn(_ flash: [UInt8]) -> Bool {
      stride(from: QEMUBoard.ring.lowerBound, to: QEMUBoard.ring.upperBound, by: 32 << 10).contains
      {
        let hasHeader = flash[$0 + 128..<$0 + 132] == [0x4D, 0x44, 0x4D, 0x50]
        let hasCommit = flash[$0 + 248..<$0 + 252] == [0x44, 0x4F, 0x4E, 0x45]
        return hasHeader && !hasCommit
      }
    }
  }
}
