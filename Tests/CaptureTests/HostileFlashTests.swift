// Flash that goes bad for good: captures go on while a good slot is left, and bad ones are let alone.

import BoardHAL
import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

@Suite struct HostileFlashTests {
  /// What a slot of one sector may have.
  enum Defect: CaseIterable {
    case eraseFails, eraseLies, eraseWeak, pageFails, pageLies, pageWeak, bitsLow, bitsHigh

    /// Whether it harms only some dumps: a weak place forgets now and then, and a stuck bit does harm
    /// only where a dump needs it the other way.
    var harmsByChance: Bool {
      switch self {
      case .eraseWeak, .pageWeak, .bitsLow, .bitsHigh: true
      case .eraseFails, .eraseLies, .pageFails, .pageLies: false
      }
    }
  }

  private static let slots: UInt32 = 8

  /// Gives the slot's sector a defect, in a place that a dump of 1 KiB uses.
  private func damage(
    _ board: EmulatedBoard, slot: UInt32, _ defect: Defect, _ generator: inout SeededGenerator
  ) throws {
    let start = board.configuration.flash.ringOffset + slot * 4096
    let place = start + UInt32.random(in: 0..<700, using: &generator)
    switch defect {
    case .eraseFails: try board.setSector(at: start, .fails)
    case .eraseLies: try board.setSector(at: start, .lies)
    case .eraseWeak: try board.setSector(at: start, .weak)
    case .pageFails: try board.setPage(at: place, .fails)
    case .pageLies: try board.setPage(at: place, .lies)
    case .pageWeak: try board.setPage(at: place, .weak)
    case .bitsLow: try board.setStuckBits(at: place, zeros: 1 << UInt8.random(in: 0...7))
    case .bitsHigh: try board.setStuckBits(at: place, ones: 1 << UInt8.random(in: 0...7))
    }
  }

  /// Crashes somewhere new and boots; whether the dump is offered whole, and none captured in or after
  /// boot `first` is offered damaged. Older ones may have lain there when the flash went bad.
  private func captures(_ bench: Bench, _ number: UInt32, since first: UInt32 = 0) -> Bool {
    let boot = bench.agent?.bootCount ?? 0
    bench.crash(makeFaultContext(pc: 0x1000 + 16 * number))
    bench.boot()
    let dumps = bench.fetchAll()
    for (key, bytes) in dumps where key.bootCount >= first {
      if (try? bench.decode(bytes)) == nil { Issue.record("\(key) offered and damaged") }
    }
    guard let bytes = dumps[DumpKey(bootCount: boot, sequence: 1)],
      let dump = try? bench.decode(bytes)
    else { return false }
    return dump.core?.pc == 0x1000 + 16 * number && !dump.memory.isEmpty
  }

  /// A board whose ring has been in use for a while: every slot holds a dump or is ready for one.
  private func usedBench(_ generator: inout SeededGenerator) throws -> Bench {
    let bench = try Bench(.small(seed: generator.next(), ringSectors: Self.slots))
    bench.boot()
    bench.give()
    for number in 100..<100 + 2 * Self.slots { #expect(captures(bench, number)) }
    return bench
  }

  @Test(arguments: Defect.allCases)
  func `captures go on beside bad slots and the bad ones are let alone`(defect: Defect) throws {
    var generator = SeededGenerator.fromEnvironment()
    let bench = try usedBench(&generator)
    let bad = Set((0..<Self.slots).shuffled(using: &generator).prefix(5))
    for slot in bad { try damage(bench.board, slot: slot, defect, &generator) }
    live(bench, beside: bad, defect)
    // Weak flash and stuck bits may pass a check by chance, and a stuck bit may do no harm.
    guard [.eraseFails, .eraseLies].contains(defect) else { return }
    let erases = self.erases(bench, of: bad)
    for number in 60..<80 as Range<UInt32> { _ = captures(bench, number) }
    #expect(self.erases(bench, of: bad) == erases, "bad slots are tried again and again")
  }

  /// Captures beside slots that have gone bad: a bad slot may swallow the capture that finds out about
  /// it, and one more. A defect that harms every dump is found in the first rounds of the ring, one that
  /// harms by chance whenever chance has it.
  private func live(_ bench: Bench, beside bad: Set<UInt32>, _ defect: Defect) {
    let first = bench.agent?.bootCount ?? 0
    let missed = (0..<60 as Range<UInt32>).filter { !captures(bench, $0, since: first) }
    #expect(missed.count <= 2 * bad.count, "\(bad.sorted())")
    if !defect.harmsByChance { #expect(missed.filter { $0 >= 40 } == []) }
  }

  private func erases(_ bench: Bench, of slots: Set<UInt32>) -> Int {
    let ring = bench.board.configuration.flash.ringOffset
    return slots.reduce(0) { $0 + bench.board.erases(ofSectorAt: ring + $1 * 4096) }
  }

  @Test func `two good slots of many are enough`() throws {
    var generator = SeededGenerator.fromEnvironment()
    let bench = try usedBench(&generator)
    let good = Set((0..<Self.slots).shuffled(using: &generator).prefix(2))
    for slot in 0..<Self.slots where !good.contains(slot) {
      try damage(bench.board, slot: slot, .eraseFails, &generator)
    }
    // A slot that was ready already serves once more.
    for number in 0..<10 as Range<UInt32> { #expect(captures(bench, number)) }
  }

  @Test func `a ring without a good slot still boots, answers and counts`() throws {
    var generator = SeededGenerator.fromEnvironment()
    let bench = try usedBench(&generator)
    let flash = bench.board.configuration.flash
    let known = try #require(bench.tallies()?.count)
    for slot in 0..<Self.slots {
      try bench.board.setSector(at: flash.ringOffset + slot * 4096, .lies)
    }
    for _ in 0..<5 {
      bench.crash()
      bench.boot()
    }
    let counts = try #require(bench.tallies())
    #expect(counts.count == known + 1)
    #expect(counts.last?.crashes == 5)
    let erases = bench.board.counters.erases
    bench.reboot()
    bench.reboot()
    #expect(bench.board.counters.erases == erases, "bad slots are tried again and again")
  }

  @Test func `single operations that fail cost one capture at most`() throws {
    var generator = SeededGenerator.fromEnvironment()
    let faults: [FlashFault] = [
      .readFails, .programIgnored, .programFails, .eraseIgnored, .eraseFails,
    ]
    for round in 0..<(isCampaign ? 2000 : 60) {
      let bench = try Bench(.small(seed: generator.next(), ringSectors: 4))
      bench.boot()
      bench.give()
      #expect(captures(bench, 1))
      let fault = faults[round % faults.count]
      let operation = Int.random(in: 1...40, using: &generator)
      bench.board.inject(fault, atOperation: operation)
      _ = captures(bench, 2)
      bench.board.inject(fault, atOperation: 0)
      _ = captures(bench, 3)
      if !captures(bench, 4) { Issue.record("\(fault) at \(operation): captured nothing") }
    }
  }
}
