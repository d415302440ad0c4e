// A clock that jumps, forward or back, at any of its reads: what is kept shows no nonsense.

import BoardHAL
import ConsentLease
import DumpAnalysis
import DumpFormat
import Foundation
import MartletTestKit
import Testing

@Suite struct ClockJumpTests {
  @Test func `a clock that jumps at any read leaves no nonsense in dumps and counts`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<(isCampaign ? 2000 : 60) {
      let bench = try Bench(.small(seed: generator.next()))
      bench.boot()
      bench.give()
      var crashes: UInt32 = 0
      for _ in 0..<4 {
        bench.board.advance(by: .seconds(Int.random(in: 1...3600, using: &generator)))
        let far = Double.random(in: 0...45, using: &generator)
        let sign: Int64 = generator.chance(0.5) ? 1 : -1
        bench.board.injectClockJump(
          by: .microseconds(sign * Int64(exp2(far))),
          atRead: Int.random(in: 1...8, using: &generator))
        bench.crash()
        crashes += 1
        bench.boot()
        bench.poll(3)
      }
      bench.board.injectClockJump(by: .zero, atRead: 0)
      bench.reboot()
      bench.give()
      let boots = bench.agent?.bootCount ?? 0
      // A clock is believed as long as the lease would last.
      let longest = UInt64(Lease.longestLifetime) * 1_000_000
      for bytes in bench.fetchAll().values {
        let dump = try bench.decode(bytes)
        #expect(dump.header.uptime <= longest)
        #expect(dump.header.key.bootCount <= boots)
      }
      let counts = try #require(bench.tallies())
      for count in counts {
        #expect((1...crashes).contains(count.crashes))
        #expect(count.firstBoot <= count.lastBoot && count.lastBoot <= boots)
        #expect(UInt64(count.firstUptime ?? 0) * 1_000_000 <= longest)
        #expect(UInt64(count.lastUptime ?? 0) * 1_000_000 <= longest)
      }
    }
  }
}
