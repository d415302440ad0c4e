// Guarded memory, scratch memory and stack guards of the emulated board.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct GuardTests {
  /// Writes one byte of a region.
  private func scribble(_ region: HALRegion, at offset: Int = 0, _ value: UInt8) {
    region.start.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  private func value(_ region: HALRegion, at offset: Int = 0) -> UInt8 {
    region.start.load(fromByteOffset: offset, as: UInt8.self)
  }

  @Test func `writes between open and close are nobody's fault`() throws {
    let board = try EmulatedBoard()
    board.run {
      let outer = halOpenGuarded()
      scribble(halRetained(), 1)
      let inner = halOpenGuarded()
      scribble(halWorking(), 2)
      halCloseGuarded(inner)
      scribble(halRetained(), at: 9, 3)
      halCloseGuarded(outer)
      #expect(value(halRetained(), at: 9) == 3, "it can be read at any time")
    }
    board.warmReset()
    board.powerCycle()
    #expect(board.counters.guardViolations == 0)
  }

  @Test func `a write without open is counted once, with its place`() throws {
    let board = try EmulatedBoard()
    board.run { scribble(halRetained(), at: 77, value(halRetained(), at: 77) ^ 1) }
    #expect(board.counters.guardViolations == 1)
    #expect(board.counters.guardOffset == 77)
    board.run { halCloseGuarded(halOpenGuarded()) }
    board.warmReset()
    #expect(board.counters.guardViolations == 1)
    board.clearCounters()
    board.run { scribble(halWorking(), at: 5, 1) }
    #expect(board.counters.guardOffset == UInt64(board.configuration.retainedSize) + 5)
  }

  @Test(arguments: ["open", "reset", "fault"])
  func `a write without open is found before the next lawful change`(next: String) throws {
    let board = try EmulatedBoard()
    board.run {
      scribble(halWorking(), 1)
      switch next {
      case "open": _ = halOpenGuarded()
      case "reset": halReset(.software)
      default: board.runFault {}
      }
      #expect(board.counters.guardViolations == 1)
    }
  }

  @Test func `memory is open in the fault context, and open and close do nothing there`() throws {
    let board = try EmulatedBoard()
    board.runFault {
      scribble(halRetained(), 0x5A)
      let token = halOpenGuarded()
      halCloseGuarded(token)
      scribble(halRetained(), at: 1, 0x5B)
      scribble(halWorking(), 1)
    }
    board.restart()
    board.run {
      #expect(value(halRetained()) == 0x5A)
      #expect(value(halRetained(), at: 1) == 0x5B)
      #expect(value(halWorking()) == 0)
    }
    #expect(board.counters.guardViolations == 0)
  }

  @Test func `a fault between open and close leaves nothing open behind its reset`() throws {
    let board = try EmulatedBoard()
    board.run {
      _ = halOpenGuarded()
      board.runFault { scribble(halWorking(), 1) }
    }
    board.restart()
    #expect(board.counters.guardViolations == 0)
    board.run { scribble(halWorking(), 1) }
    #expect(board.counters.guardViolations == 1)
  }

  @Test func `memory left open and a token out of turn are counted`() throws {
    let board = try EmulatedBoard()
    board.run { _ = halOpenGuarded() }
    #expect(board.counters.guardViolations == 1)
    #expect(board.counters.guardOffset == .max)
    board.clearCounters()
    board.run {
      let outer = halOpenGuarded()
      let inner = halOpenGuarded()
      halCloseGuarded(outer)
      halCloseGuarded(inner)
    }
    #expect(board.counters.guardViolations == 2)
  }

  @Test func `interrupts are masked while memory is open, so a warning comes behind it`() throws {
    let board = try EmulatedBoard()
    var entered = false
    board.withWarningHandler({ entered = true }) {
      board.run {
        _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 50)
        let token = halOpenGuarded()
        board.advance(by: .milliseconds(60))
        #expect(!entered)
        halCloseGuarded(token)
        #expect(entered)
      }
    }
    #expect(board.pendingReset == .fault)
  }

  @Test func `retained RAM set by a test is no violation`() throws {
    let board = try EmulatedBoard()
    board.retained = filled(7, 4096)
    board.run { #expect(value(halRetained(), at: 4095) == 7) }
    board.warmReset()
    #expect(board.retained == filled(7, 4096))
    #expect(board.counters.guardViolations == 0)
  }

  @Test func `scratch memory holds anything at a start and is not guarded`() throws {
    let board = try EmulatedBoard()
    board.run {
      let scratch = halScratch()
      #expect(scratch.length >= 4096)
      #expect(UInt(bitPattern: scratch.start) % 8 == 0)
      let bytes = UnsafeRawBufferPointer(start: scratch.start, count: scratch.length)
      #expect(Set(bytes).count > 100)
      scribble(scratch, 1)
    }
    #expect(board.counters.guardViolations == 0)
    board.runFault { #expect(halScratch().length == 0) }
    #expect(board.counters.contextViolations == 1)
  }

  @Test func `a stack guard is remembered for the boot`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(halGuardStack(UnsafeRawPointer(bitPattern: 0x2000_0020)) == .ok)
      #expect(halGuardStack(UnsafeRawPointer(bitPattern: 0x2000_0030)) == .misaligned)
      #expect(board.guardedStack == 0x2000_0020)
      #expect(halGuardStack(nil) == .ok)
      #expect(board.guardedStack == nil)
      _ = halGuardStack(UnsafeRawPointer(bitPattern: 0x2000_0040))
    }
    board.warmReset()
    #expect(board.guardedStack == nil)
    board.runFault { #expect(halGuardStack(nil) == .failed) }
  }
}
