// Long lives: how evenly flash wears, and what a boot loop costs.

import BoardHAL
import DumpFormat
import MartletTestKit
import Testing

@Suite struct WearTests {
  /// One way of dividing the ring.
  struct Division: Sendable {
    var slotSectors: UInt32
    var ringSectors: UInt32
  }

  /// The most worn of the ring's sectors over their mean after a long life.
  private static func life(
    captures: Int, _ division: Division, _ chance: SeededGenerator, _ progress: CampaignProgress
  ) throws -> Double {
    var generator = chance
    let bench = try Bench(
      .small(seed: generator.next(), ringSectors: division.ringSectors),
      slotSize: division.slotSectors * 4096)
    bench.boot()
    var epoch: UInt32 = 1
    bench.give(epoch: epoch)
    for capture in 0..<captures {
      // One in ten is a crash met before.
      let isOld = generator.chance(0.1)
      let place = isOld ? Int.random(in: 0..<8, using: &generator) : 16 + capture
      bench.crash(
        makeFaultContext(
          pc: UInt32(place * 2 % 0xF000), lr: UInt32(place * 2 / 0xF000 * 2 + 1)))
      bench.boot()
      if generator.chance(0.05) { bench.reboot() }
      if generator.chance(0.3) {
        var key = DumpKey(bootCount: 0, sequence: 0)
        while let offer = bench.next(after: key) {
          if generator.chance(0.8) { bench.receipt(offer.key) }
          key = offer.key
        }
      }
      if generator.chance(0.002) {
        epoch += 1
        bench.give(allowed: false, epoch: epoch)
        epoch += 1
      }
      // A life is longer than a lease.
      if generator.chance(0.01) || bench.hello()?.leaseState != .allowed {
        bench.give(epoch: epoch)
      }
      progress.step()
    }
    let erases = bench.ringErases
    #expect(erases.reduce(0, +) > captures / 2, "the ring is in use")
    let mean = Double(erases.reduce(0, +)) / Double(erases.count)
    return Double(erases.max() ?? 0) / mean
  }

  @Test func `the ring's sectors wear alike`() async throws {
    let captures = isCampaign ? 100_000 : 2000
    // Few erases a sector leave chance more room.
    let bar = isCampaign ? 1.1 : 1.2
    var generator = SeededGenerator.fromEnvironment()
    let lives = [
      Division(slotSectors: 1, ringSectors: 16), Division(slotSectors: 4, ringSectors: 32),
    ].map { ($0, generator.split()) }
    let progress = CampaignProgress("wear", total: captures * lives.count)
    let ratios = try await Campaign.run(lives) {
      try Self.life(captures: captures, $0.0, $0.1, progress)
    }
    for (life, ratio) in zip(lives, ratios) {
      #expect(ratio <= bar, "slots of \(life.0.slotSectors) sectors")
      Figure.report("wear.ratio.slots\(life.0.slotSectors)", ratio)
    }
    Figure.report("wear.ratio", ratios.max() ?? 0)
  }

  /// Sector erases of a blank part's whole life in a boot loop.
  private static func bootLoop(_ crashes: UInt32, slotSectors: UInt32) throws -> Int {
    let bench = try Bench(.small(ringSectors: 64), slotSize: slotSectors * 4096)
    bench.boot()
    bench.give()
    for _ in 0..<crashes {
      bench.board.advance(by: .seconds(1))
      bench.crash()
      bench.boot()
    }
    let last = bench.agent?.bootCount ?? 0
    let count = try #require(bench.tallies()?.first)
    #expect(count.crashes == crashes)
    #expect(count.firstBoot < count.lastBoot)
    #expect(count.lastBoot < last)
    #expect(count.firstUptime == 1)
    #expect(bench.fetchAll().count == 3)
    return Int(bench.board.counters.erases)
  }

  @Test func `a boot loop costs next to no erases and counts every crash`() async throws {
    let crashes: UInt32 = isCampaign ? 10_000 : 1000
    let erases = try await Campaign.run([1, 8]) { try Self.bootLoop(crashes, slotSectors: $0) }
    #expect(erases[0] <= 16)
    Figure.report("bootloop.crashes", Int(crashes), "crashes")
    Figure.report("bootloop.erases", erases[0], "erases")
    Figure.report("bootloop.erases.slots8", erases[1], "erases")
  }
}
