// How much of the line the link makes use of, measured in virtual time.

import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct LinkFigureTests {
  /// 512 KiB of ring, full of dumps that cannot be compressed.
  private func fullRing(_ settings: PacedLink.Settings) throws -> (VirtualBench, [[UInt8]]) {
    let bench = try VirtualBench(settings)
    let dumps = (1...15).map { sampleDump(key(1, UInt32($0)), size: 32_000) }
    try bench.hold(dumps)
    return (bench, dumps)
  }

  private func drain(_ bench: VirtualBench, _ dumps: [[UInt8]]) {
    bench.boot()
    bench.bridge.connect()
    bench.waitForHost()
    // What the board sent last is still under way.
    bench.runApplication { !$0.bridge.starts.isEmpty }
    #expect(bench.bridge.starts == [.hostSaidGo])
    #expect(bench.bridge.warnings.isEmpty)
    let isWhole = Set(bench.bridge.spool.values) == Set(dumps)
    #expect(isWhole)
    #expect(bench.bridge.stored.count == dumps.count)
  }

  private func share(_ bench: VirtualBench, _ dumps: [[UInt8]]) throws -> Double {
    let first = try #require(bench.bridge.seen[.next]).first
    let last = try #require(bench.bridge.seen[.done]).last
    let bits = Double(dumps.reduce(0) { $0 + $1.count } * 10)
    return bits / (Double(bench.link.settings.baud) * ((last - first) / .seconds(1)))
  }

  @Test func `a full ring leaves a clean line at its rate, with two percent beside it`() throws {
    let (bench, dumps) = try fullRing(PacedLink.Settings())
    drain(bench, dumps)
    let share = try share(bench, dumps)
    Figure.report("link.rate.share", share)
    #expect(share >= 0.97)
    let bytes = try #require(bench.bridge.bytesAtStart)
    let ratio = Double(bytes) / Double(dumps.reduce(0) { $0 + $1.count })
    Figure.report("link.wire.ratio", ratio)
    #expect(ratio <= 1.02)
  }

  @Test func `flash that takes its time costs the line a few parts in a hundred`() throws {
    let (bench, dumps) = try fullRing(PacedLink.Settings())
    // Every dump is read once more to be proved before it is offered, and nothing is sent meanwhile.
    bench.board.setFlashTakesTime(true)
    drain(bench, dumps)
    let share = try share(bench, dumps)
    Figure.report("link.rate.share.flash", share)
    #expect(share >= 0.94)
  }

  @Test func `a line that loses one frame in a hundred keeps nine tenths of its rate`() throws {
    var total = 0.0
    let seeds: [UInt64] = [1, 2]
    for seed in seeds {
      var settings = PacedLink.Settings()
      settings.frameLoss = 0.01
      settings.seed = seed
      let (bench, dumps) = try fullRing(settings)
      drain(bench, dumps)
      #expect(bench.link.lostFrames > 0)
      let share = try share(bench, dumps)
      #expect(share >= 0.90, "seed \(seed)")
      total += share
    }
    Figure.report("link.rate.share.loss1", total / Double(seeds.count))
  }

  @Test func `a line that hits every thousandth byte keeps half of its rate by smaller frames`()
    throws
  {
    var settings = PacedLink.Settings()
    var faults = FaultyLink.Faults()
    faults.flipBit = 0.001
    settings.faults = faults
    let (bench, dumps) = try fullRing(settings)
    drain(bench, dumps)
    // Of frames of 1 KiB one in three would pass.
    #expect(bench.bridge.conversation.agreedFrame < 1_000)
    let share = try share(bench, dumps)
    Figure.report("link.rate.share.flip1000", share)
    #expect(share >= 0.5)
  }

  @Test func `a single dump's transfer costs little, and its whole session a little more`() throws {
    let bench = try VirtualBench()
    let dump = sampleDump(key(1, 1), size: 16_000)
    try bench.hold([dump])
    bench.boot()
    bench.bridge.connect()
    bench.waitForHost()
    bench.runApplication { !$0.bridge.starts.isEmpty }
    let isWhole = bench.bridge.spool.values.map { $0 } == [dump]
    #expect(isWhole)
    let bytes = try #require(bench.bridge.bytesAtStart)
    Figure.report("link.wire.ratio.single16k", Double(bytes) / Double(dump.count))
    Figure.report("link.wire.bytes.single16k", bytes - dump.count, "B")
  }
}
