// Time and the watchdog of the emulated board, driven by the test.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct ClockTests {
  @Test func `time passes only when the test says so`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(halMonotonicMicroseconds() == 0)
      #expect(halMonotonicMicroseconds() == 0)
      board.advance(by: .milliseconds(1500))
      #expect(halMonotonicMicroseconds() == 1_500_000)
      board.warmReset()
      #expect(halMonotonicMicroseconds() == 0)
    }
  }

  @Test func `a clock can be set back and can jump at a read`() throws {
    let board = try EmulatedBoard()
    board.advance(by: .seconds(10))
    board.setClock(to: 7)
    board.run {
      #expect(halMonotonicMicroseconds() == 7)
      board.advance(by: .microseconds(3))
      #expect(halMonotonicMicroseconds() == 10)
      board.injectClockJump(by: .seconds(3600), atRead: 2)
      #expect(halMonotonicMicroseconds() == 10)
      #expect(halMonotonicMicroseconds() == 3_600_000_010)
      board.injectClockJump(by: .seconds(-9999))
      #expect(halMonotonicMicroseconds() == 0, "a clock does not go below zero")
    }
  }

  @Test func `a stepping clock ends a loop that waits for it`() throws {
    let board = try EmulatedBoard()
    board.setClockStep(.milliseconds(10))
    board.run {
      var turns = 0
      while halMonotonicMicroseconds() < 5_000_000 { turns += 1 }
      #expect(turns == 499)
    }
  }

  @Test func `flash takes the datasheet's time when told to`() throws {
    let board = try EmulatedBoard()
    board.run {
      _ = halFlashErase(ring)
      #expect(board.clock == 0)
      board.setFlashTakesTime(true)
      _ = halFlashErase(ring)
      #expect(board.clock == 45_000)
      _ = program(filled(0, 257), at: ring)
      #expect(board.clock == 45_800)
    }
  }

  @Test func `a watchdog without food bites at its deadline`() throws {
    let board = try EmulatedBoard()
    board.run {
      halWatchdogFeed()
      #expect(board.watchdogLeft == nil)
      #expect(halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 0) == .ok)
      board.advance(by: .milliseconds(60))
      halWatchdogFeed()
      #expect(board.watchdogLeft == .milliseconds(100))
      board.advance(by: .microseconds(99_999))
      #expect(board.state == .running)
      board.advance(by: .microseconds(1))
    }
    #expect(board.pendingReset == .watchdog)
    #expect(board.counters.bites == 1)
    #expect(board.counters.feeds == 2)
    board.restart()
    board.advance(by: .seconds(3600))
    #expect(board.state == .running, "a reset stops the watchdog")
    board.run { #expect(halResetCause() == .watchdog) }
  }

  @Test func `a clock that jumps does not move the watchdog`() throws {
    let board = try EmulatedBoard()
    board.run {
      _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 0)
      board.setClock(to: 1 << 40)
      #expect(board.state == .running)
      halWatchdogFeed()
      board.advance(by: .milliseconds(99))
      #expect(board.state == .running)
      board.advance(by: .milliseconds(1))
      #expect(board.state == .reset)
    }
  }

  @Test func `impossible times are refused, and a board may have no watchdog`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(halWatchdogStart(timeoutMilliseconds: 0, warningMilliseconds: 0) == .outOfRange)
      #expect(halWatchdogStart(timeoutMilliseconds: 5, warningMilliseconds: 5) == .outOfRange)
    }
    var configuration = EmulatedBoard.Configuration()
    configuration.hasWatchdog = false
    let without = try EmulatedBoard(configuration)
    without.run {
      #expect(halWatchdogStart(timeoutMilliseconds: 5, warningMilliseconds: 0) == .unsupported)
    }
  }

  @Test func `the early warning enters the fault path at its time and a reset follows`() throws {
    let board = try EmulatedBoard()
    var entered: [UInt64] = []
    board.withWarningHandler({
      entered.append(halMonotonicMicroseconds())
      #expect(halFlashErase(ring) == .failed)
      #expect(program([0x77], at: ring) == .ok)
    }) {
      board.run {
        _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 30)
      }
      board.advance(by: .seconds(5))
    }
    #expect(entered == [70_000])
    #expect(board.pendingReset == .fault)
    #expect(board.counters.warnings == 1)
    #expect(board.counters.bites == 0)
    #expect(board.counters.contextViolations == 1)
    #expect(try board.nor(at: ring, count: 1) == [0x77])
  }

  @Test func `an operation that outlasts warning and bite is followed by the warning`() throws {
    let board = try EmulatedBoard()
    board.setFlashTakesTime(true)
    var entered = 0
    board.withWarningHandler({
      entered += 1
      #expect(program([0x77], at: ring + sector) == .failed, "the bite ends a fault path unfed")
      halWatchdogFeed()
    }) {
      board.run {
        _ = halWatchdogStart(timeoutMilliseconds: 40, warningMilliseconds: 10)
        #expect(halFlashErase(ring) == .ok)
      }
    }
    #expect(entered == 1)
    #expect(board.pendingReset == .watchdog)
  }

  @Test func `a warning that nobody handles is counted and the bite follows`() throws {
    let board = try EmulatedBoard()
    board.run { _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 30) }
    board.advance(by: .milliseconds(70))
    #expect(board.counters.warnings == 1)
    #expect(board.state == .running)
    board.advance(by: .milliseconds(30))
    #expect(board.pendingReset == .watchdog)
  }
}
