// What keeps the consent gate open, what closes it, and what never opens it.

import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpAnalysis
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct GateTests {
  private func captures(_ bench: Bench) -> Bool {
    bench.crash()
    bench.boot()
    // What was kept is seen under a lease that lasts.
    bench.give()
    return !bench.fetchAll().isEmpty
  }

  /// 47 h 59 min, 48 h less a microsecond, 48 h, 48 h 1 min, in microseconds.
  @Test(
    arguments: [
      (172_740_000_000, true), (172_799_999_999, true), (172_800_000_000, false),
      (172_860_000_000, false),
    ] as [(Int64, Bool)])
  func `a lease lasts 48 hours and no longer`(after: Int64, open: Bool) throws {
    let bench = try Bench()
    bench.boot()
    #expect(bench.give()?.secondsLeft == 172_800)
    bench.board.advance(by: .microseconds(after))
    #expect(captures(bench) == open)
  }

  @Test(arguments: [(47 * 60 + 59, true), (48 * 60 + 1, false)] as [(Int, Bool)])
  func `twenty warm resets stretch no lease`(minutes: Int, open: Bool) throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    for reset in 0..<20 {
      bench.board.advance(by: .seconds(minutes * 60 / 20))
      switch reset % 3 {
      case 0: bench.poll()
      case 1: bench.crash()
      default: bench.board.run { _ = bench.hello() }
      }
      if reset % 3 == 1 { bench.boot() } else { bench.reboot(cause: .software) }
    }
    #expect((bench.hello()?.leaseState == .allowed) == open)
  }

  @Test func `a power cycle suspends the lease, also when RAM kept it`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.bootCold()
    #expect(bench.hello()?.leaseState == .suspended)
    bench.give()
    let kept = bench.board.retained
    bench.board.powerCycle()
    bench.board.retained = kept
    bench.boot()
    bench.reboot()
    #expect(bench.hello()?.leaseState == .suspended)
    #expect(!captures(bench))
  }

  @Test func `a power cycle followed by a crash before the agent keeps the gate shut`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let kept = bench.board.retained
    bench.board.powerCycle()
    bench.board.retained = kept
    #expect(!captures(bench))
  }

  @Test(arguments: [HALResetCause.external, .unknown])
  func `a reset that may have taken days suspends the lease until the next contact`(
    cause: HALResetCause
  ) throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.reboot(cause: cause)
    #expect(bench.hello()?.leaseState == .suspended)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .suspended)
    #expect(bench.give()?.state == .allowed)
  }

  @Test func `an uptime that went back behind what flash counted closes the gate`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.advance(by: .seconds(3600))
    bench.poll()
    let earlier = bench.board.retained
    // 71.6 minutes are a period.
    bench.board.advance(by: .seconds(4 * 3600))
    bench.poll(2)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .allowed)
    // RAM as it was four hours ago, boot number and all but the time made to fit.
    bench.board.retained = earlier
    bench.reboot()
    #expect(bench.hello()?.leaseState == .clockFault)
    #expect(bench.give()?.state == .allowed)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .allowed)
  }

  @Test func `flash of an earlier day closes the gate`() throws {
    let bench = try Bench()
    bench.boot()
    let flash = try bench.board.norImage()
    bench.give()
    bench.reboot()
    #expect(bench.hello()?.leaseState == .allowed)
    try bench.board.setNor(at: 0, to: flash)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .clockFault)
    #expect(bench.give()?.state == .allowed)
  }

  @Test func `uptime is counted in flash one bit in 71 minutes and no more`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.poll()
    bench.board.clearCounters()
    for _ in 0..<48 * 60 {
      bench.board.advance(by: .seconds(60))
      bench.poll()
    }
    // 48 h are 40 periods; the first takes a record.
    #expect((40...90).contains(bench.board.counters.programs))
    #expect(bench.board.counters.erases == 0)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .expired)
  }

  @Test func `a clock that goes back closes the gate until the next lease`() throws {
    let bench = try Bench()
    bench.boot()
    bench.board.advance(by: .seconds(1000))
    bench.give()
    bench.board.setClock(to: 999_000_000)
    #expect(bench.hello()?.leaseState == .clockFault)
    bench.board.setClock(to: 1_001_000_000)
    #expect(bench.hello()?.leaseState == .clockFault)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .clockFault)
    #expect(bench.give()?.state == .allowed)
    bench.board.advance(by: .seconds(172_799))
    #expect(bench.hello()?.leaseState == .allowed)
    bench.board.advance(by: .seconds(1))
    #expect(bench.hello()?.leaseState == .expired)
  }

  @Test func `a lease counts from now even while the clock still lags behind`() throws {
    let bench = try Bench()
    bench.boot()
    bench.board.advance(by: .seconds(100_000))
    bench.give()
    bench.board.setClock(to: 10_000_000)
    #expect(bench.hello()?.leaseState == .clockFault)
    #expect(bench.give()?.state == .allowed)
    #expect(bench.give(lifetime: 100)?.secondsLeft == 100)
    bench.board.advance(by: .seconds(99))
    #expect(bench.hello()?.leaseState == .allowed)
    bench.reboot()
    #expect(bench.hello()?.leaseSeconds == 1)
  }

  @Test(arguments: [UInt64.max, UInt64.max - 1, 1 << 63, 1 << 40] as [UInt64])
  func `a clock that jumps ahead ends the lease and traps nothing`(to: UInt64) throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.setClock(to: to)
    #expect(bench.hello()?.leaseState != .allowed)
    bench.give()
    bench.crash()
    bench.boot()
    bench.board.setClock(to: 5)
    _ = bench.hello()
    #expect(bench.give()?.state == .allowed)
  }

  enum Closed: CaseIterable { case denied, expired, suspended }

  @Test(arguments: Closed.allCases)
  func `no flipped bit of retained RAM opens a closed gate`(closed: Closed) throws {
    let bench = try Bench()
    bench.boot()
    switch closed {
    case .denied: bench.give(allowed: false)
    case .expired:
      bench.give(lifetime: 10)
      bench.board.advance(by: .seconds(11))
    case .suspended: break
    }
    bench.poll()
    let before = bench.board.retained
    for bit in 0..<128 * 8 {
      var flipped = before
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      bench.board.retained = flipped
      bench.board.run {
        #expect(consentGate().state(at: halMonotonicMicroseconds()) != .allowed, "bit \(bit)")
      }
      // And over a reset.
      bench.board.retained = flipped
      bench.reboot()
      #expect(bench.hello()?.leaseState != .allowed, "bit \(bit) over a reset")
      bench.board.setClock(to: 12_000_000)
    }
  }

  @Test func `retained RAM full of anything traps nothing and opens nothing`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for fill in [0, 0xFF, nil] as [UInt8?] {
      let bench = try Bench()
      bench.boot()
      bench.board.retained =
        fill.map { [UInt8](repeating: $0, count: 4096) } ?? generator.bytes(4096)
      #expect(bench.hello()?.leaseState != .allowed)
      #expect(bench.give()?.state == .allowed)
      #expect(bench.hello()?.leaseSeconds == 172_800)
      bench.reboot()
      #expect(bench.hello()?.leaseState == .allowed)
    }
  }
}
