// No lease, no byte: without consent a crash leaves a count and nothing else.

import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpAnalysis
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

/// Whether any 8 bytes of `marker` appear in `bytes`.
private func holds(_ marker: [UInt8], _ bytes: [UInt8]) -> Bool {
  var known: Set<[UInt8]> = []
  for i in 0...(marker.count - 8) { known.insert(Array(marker[i..<i + 8])) }
  return bytes.count >= 8
    && (0...(bytes.count - 8)).contains { known.contains(Array(bytes[$0..<$0 + 8])) }
}

@Suite struct NoLeaseNoByteTests {
  enum Reason: CaseIterable { case never, denied, expired, powerCycled, clockFault }

  /// A board whose application holds 4 KiB of secrets, on its stack and in a registered region.
  private func crash(_ reason: Reason?, seed: UInt64) throws -> (Bench, marker: [UInt8]) {
    var generator = SeededGenerator(seed: seed)
    let marker = generator.bytes(4096)
    let bench = try Bench(.small(seed: seed), slotSize: 16384)
    bench.boot()
    switch reason {
    case .never: break
    case .denied:
      bench.give()
      bench.give(allowed: false, epoch: 2)
    case .expired:
      bench.give(lifetime: 60)
      bench.board.advance(by: .seconds(60))
    case .powerCycled:
      bench.give()
      bench.bootCold()
    case .clockFault:
      bench.board.advance(by: .seconds(5))
      bench.give()
      bench.board.setClock(to: 1_000_000)
    case nil: bench.give()
    }
    _ = bench.board.receive()
    try bench.board.setMemory(at: 0x2000_8000, to: marker)
    try bench.board.setMemory(at: 0x2000_4000, to: marker)
    bench.board.run { _ = CrashCapture.register(address: 0x2000_4000, length: 4096, id: 1) }
    return (bench, marker)
  }

  @Test(arguments: Reason.allCases, [11, 22, 33] as [UInt64])
  func `without a valid lease a crash leaves nothing but a count`(
    reason: Reason, seed: UInt64
  ) throws {
    let (bench, marker) = try crash(reason, seed: seed)
    let contexts = [
      makeFaultContext(), makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) },
      makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_WARNING) },
    ]
    for context in contexts {
      let flash = try bench.board.norImage()
      let retained = bench.board.retained
      bench.board.clearCounters()
      bench.board.runFault {
        withUnsafePointer(to: context) { martlet_capture_fault($0) }
      }
      #expect(bench.board.counters.programs == 0)
      #expect(try bench.board.norImage() == flash)
      // Gate and clock may change; behind them lies nothing of the crash.
      #expect(Array(bench.board.retained[336...]) == Array(retained[336...]))
      #expect(!holds(marker, Array(bench.board.retained)))
      bench.boot()
    }
    bench.poll(5)
    var line: [UInt8] = []
    for frame in bench.ask(
      .next, { Next(after: DumpKey(bootCount: 0, sequence: 0)).append(to: &$0) })
    {
      #expect(frame.is(.refused))
      line += frame.payload
    }
    let hello = try #require(bench.hello())
    #expect(hello.uncapturedCrashes == 3)
    #expect(hello.leaseState != .allowed && hello.leaseSeconds == 0)
    #expect(!holds(marker, try bench.board.norImage()))
    #expect(!holds(marker, bench.board.receive() + line))
  }

  @Test func `with a lease the marker is found nowhere but in the opened dump`() throws {
    let (bench, marker) = try crash(nil, seed: 11)
    bench.crash()
    #expect(!holds(marker, try bench.board.norImage()))
    #expect(!holds(marker, bench.board.retained))
    bench.boot()
    #expect(bench.hello()?.uncapturedCrashes == 0)
    let dumps = bench.fetchAll()
    #expect(!dumps.isEmpty && !dumps.values.contains { holds(marker, $0) })
    #expect(bench.opened(dumps).values.contains { holds(marker, $0) })
  }

  @Test func `a new lease begins a new count`() throws {
    let bench = try Bench()
    bench.boot()
    bench.crash()
    bench.boot()
    #expect(bench.hello()?.uncapturedCrashes == 1)
    bench.give()
    #expect(bench.hello()?.uncapturedCrashes == 0)
  }
}
