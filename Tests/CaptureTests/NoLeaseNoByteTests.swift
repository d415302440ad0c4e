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

@Suite struct NoLeaseNoByteTests {
  /// A board whose application holds 4 KiB of secrets, on its stack and in a registered region.
  private func crash(_ reason: NoConsent?, seed: UInt64) throws -> (Bench, Marker) {
    var generator = SeededGenerator(seed: seed)
    let marker = Marker(generator.bytes(4096))
    let bench = try Bench(.small(seed: seed), slotSize: 16384)
    if let reason {
      try reason.bringAbout(on: bench)
    } else {
      bench.boot()
      bench.give()
    }
    _ = bench.board.receive()
    try bench.board.setMemory(at: 0x2000_8000, to: marker.bytes)
    try bench.board.setMemory(at: 0x2000_4000, to: marker.bytes)
    bench.board.run { _ = CrashCapture.register(address: 0x2000_4000, length: 4096, id: 1) }
    return (bench, marker)
  }

  @Test(
    arguments: [.neverAsked, .revoked, .expired, .powerCycled, .clockFault] as [NoConsent],
    [11, 22, 33] as [UInt64])
  func `without a valid lease a crash leaves nothing but a count`(
    reason: NoConsent, seed: UInt64
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
      #expect(marker.count(in: bench.board.retained) == 0)
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
    #expect(marker.count(in: try bench.board.norImage()) == 0)
    #expect(marker.count(in: bench.board.receive() + line) == 0)
  }

  @Test func `with a lease the marker is found nowhere but in the opened dump`() throws {
    let (bench, marker) = try crash(nil, seed: 11)
    bench.crash()
    #expect(marker.count(in: try bench.board.norImage()) == 0)
    #expect(marker.count(in: bench.board.retained) == 0)
    bench.boot()
    #expect(bench.hello()?.uncapturedCrashes == 0)
    let dumps = bench.fetchAll()
    #expect(!dumps.isEmpty && dumps.values.allSatisfy { marker.count(in: $0) == 0 })
    #expect(bench.opened(dumps).values.contains { marker.count(in: $0) > 0 })
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
