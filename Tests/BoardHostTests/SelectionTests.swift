// Which board a HAL call acts on, and what happens when there is none.

import BoardHAL
import BoardHost
import Foundation
import MartletTestKit
import Testing

@Suite struct SelectionTests {
  @Test func `without a board every call is harmless`() {
    #expect(halFlashGeometry().size == 0)
    #expect(read(4, at: 0).status == .failed)
    #expect(program([1], at: 0) == .failed)
    #expect(halFlashErase(0) == .failed)
    #expect(write([1]) == 0)
    #expect(readLine(4) == [])
    #expect(halMonotonicMicroseconds() == 0)
    #expect(halWatchdogStart(timeoutMilliseconds: 1, warningMilliseconds: 0) == .failed)
    halWatchdogFeed()
    halReset(.software)
    #expect(halResetCause() == .unknown)
    #expect(halRetained().length == 0)
    #expect(halWorking().length == 0)
    var length: UInt32 = 4
    #expect(halReadable(0x2000_0000, &length) == nil)
    #expect(length == 0)
    #expect(halImage().buildIDLength == 0)
    #expect(String(cString: halImage().version) == "")
    #expect(entropy(4).status == .failed)
  }

  @Test func `functions for tests do nothing without a board`() {
    martlet_host_power_on(nil)
    martlet_host_power_off(nil)
    martlet_host_cut_power(nil, 1, .half, false)
    martlet_host_advance(nil, 5)
    martlet_host_destroy(nil)
    #expect(!martlet_host_warm_reset(nil, .external))
    #expect(martlet_host_get_state(nil) == .off)
    #expect(martlet_host_get_counters(nil).cutPoints == 0)
    #expect(!martlet_host_nor_get(nil, 0, nil, 0))
    #expect(martlet_host_serial_send(nil, [1], 1) == 0)
    #expect(martlet_host_create(nil, nil) == nil)
  }

  @Test func `runs nest and put back the board before`() throws {
    let outer = try EmulatedBoard()
    let inner = try EmulatedBoard()
    outer.run {
      inner.run { _ = program([1], at: ring) }
      _ = program([2], at: ring)
      struct Stop: Error {}
      #expect(throws: Stop.self) { try inner.run { throw Stop() } }
      _ = program([3], at: ring + 1)
    }
    #expect(program([4], at: ring) == .failed)
    #expect(try inner.nor(at: ring, count: 2) == [1, 0xFF])
    #expect(try outer.nor(at: ring, count: 2) == [2, 3])
  }

  @Test func `two boards on two threads do not mix`() throws {
    let boards = try (0..<2).map { _ in try EmulatedBoard() }
    let size = Int(sector)
    DispatchQueue.concurrentPerform(iterations: 2) { i in
      boards[i].run {
        for round in 0..<50 {
          _ = halFlashErase(ring)
          for offset in 0..<64 as Range<UInt32> {
            _ = program(filled(UInt8(i + 1), 64), at: ring + offset * 64)
          }
          if round % 10 == 0 { boards[i].advance(by: .milliseconds(Int64(i + 1))) }
          _ = write([UInt8(i + 1)])
        }
      }
    }
    for i in 0..<2 {
      #expect(try boards[i].nor(at: ring, count: size) == filled(UInt8(i + 1), size))
      #expect(boards[i].receive() == filled(UInt8(i + 1), 50))
      #expect(boards[i].clock == UInt64(5000 * (i + 1)))
      #expect(boards[i].counters.bytesProgrammed == UInt64(50 * size))
    }
  }

  @Test func `a host thread talks to a board that runs on another`() throws {
    let board = try EmulatedBoard()
    let count = 20_000
    board.setLineCapacity(toHost: 7, toBoard: 7)
    let echoed = Collected()
    DispatchQueue.concurrentPerform(iterations: 2) { i in
      if i == 0 {
        board.run {
          var passed = 0
          while passed < count {
            var rest = readLine(16)[...]
            passed += rest.count
            while !rest.isEmpty { rest = rest.dropFirst(write(Array(rest))) }
          }
        }
      } else {
        var sent = 0
        var bytes: [UInt8] = []
        while bytes.count < count {
          if sent < count { sent += board.send([UInt8(truncatingIfNeeded: sent)]) }
          bytes += board.receive()
        }
        echoed.bytes = bytes
      }
    }
    #expect(echoed.bytes == (0..<count).map { UInt8(truncatingIfNeeded: $0) })
  }
}

/// Filled by one thread, read after it has ended.
private final class Collected: @unchecked Sendable {
  var bytes: [UInt8] = []
}
