// Each fault of the emulated flash does what it says, once, where it was set.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct FlashFaultTests {
  @Test func `an ignored program answers ok and changes nothing`() throws {
    let board = try EmulatedBoard()
    board.inject(.programIgnored, atOperation: 2)
    board.run {
      for i in 0..<3 as Range<UInt32> { #expect(program([0], at: ring + i) == .ok) }
      #expect(read(3, at: ring) == (.ok, [0, 0xFF, 0]))
    }
    #expect(board.cutPoints == 3, "power can be cut in it as in any other")
  }

  @Test func `a failed program leaves the first half`() throws {
    let board = try EmulatedBoard()
    board.inject(.programFails)
    board.run {
      #expect(program([1, 2, 3, 4], at: ring) == .failed)
      #expect(read(4, at: ring) == (.ok, [1, 2, 0xFF, 0xFF]))
      #expect(program([1, 2, 3, 4], at: ring) == .ok)
    }
  }

  @Test func `a failed read answers so and fills the buffer with noise`() throws {
    let board = try EmulatedBoard()
    board.inject(.readFails, atOperation: 2)
    board.run {
      #expect(read(16, at: ring).status == .ok)
      let failed = read(16, at: ring)
      #expect(failed.status == .failed)
      #expect(failed.bytes != filled(0xFF, 16))
      #expect(read(16, at: ring) == (.ok, filled(0xFF, 16)))
    }
  }

  @Test func `an unreadable range fails every read that touches it`() throws {
    let board = try EmulatedBoard()
    board.setUnreadable(ring + 4..<ring + 8)
    board.run {
      #expect(read(4, at: ring).status == .ok)
      #expect(read(5, at: ring).status == .failed)
      #expect(read(1, at: ring + 7).status == .failed)
      #expect(read(1, at: ring + 8).status == .ok)
      board.setUnreadable(nil)
      #expect(read(1, at: ring + 7).status == .ok)
    }
  }

  @Test func `single erases fail half way or do nothing`() throws {
    let board = try EmulatedBoard()
    let size = Int(sector)
    try board.setNor(at: ring, to: filled(0, size))
    board.run {
      board.inject(.eraseIgnored)
      #expect(halFlashErase(ring) == .ok)
      #expect(cells(board, size, at: ring) == filled(0, size))
      board.inject(.eraseFails)
      #expect(halFlashErase(ring) == .failed)
      #expect(cells(board, size, at: ring) == filled(0xFF, size / 2) + filled(0, size / 2))
      #expect(halFlashErase(ring) == .ok)
      #expect(cells(board, size, at: ring) == filled(0xFF, size))
    }
  }

  @Test func `a bad sector keeps its contents, and says so or lies`() throws {
    let board = try EmulatedBoard()
    try board.setNor(at: ring, to: [0])
    try board.setNor(at: ring + sector, to: [0])
    try board.setSector(at: ring + 9, .fails)
    try board.setSector(at: ring + sector, .lies)
    try board.run {
      #expect(halFlashErase(ring) == .failed)
      #expect(halFlashErase(ring + sector) == .ok)
      #expect(halFlashErase(ring + 2 * sector) == .ok)
      #expect(read(1, at: ring) == (.ok, [0]))
      #expect(read(1, at: ring + sector) == (.ok, [0]))
      try board.setSector(at: ring, .good)
      #expect(halFlashErase(ring) == .ok)
      #expect(read(1, at: ring) == (.ok, [0xFF]))
    }
  }

  @Test func `a weak sector says that it was erased and keeps random bits`() throws {
    let board = try EmulatedBoard()
    let size = Int(sector)
    try board.setNor(at: ring, to: filled(0, size))
    try board.setSector(at: ring, .weak)
    try board.run {
      #expect(halFlashErase(ring) == .ok)
      let once = cells(board, size, at: ring)
      #expect(once != filled(0xFF, size) && once != filled(0, size))
      #expect(halFlashErase(ring) == .ok)
      #expect(cells(board, size, at: ring) != once)
      try board.setSector(at: ring, .good)
      #expect(halFlashErase(ring) == .ok)
      #expect(cells(board, size, at: ring) == filled(0xFF, size))
    }
  }

  @Test func `a bad page keeps its contents each time, and says so or lies`() throws {
    let board = try EmulatedBoard()
    try board.setPage(at: ring + 300, .lies)
    try board.setPage(at: ring + 512, .fails)
    try board.run {
      for _ in 0..<2 {
        #expect(program(filled(0x11, 512), at: ring) == .ok)
        #expect(program(filled(0x11, 257), at: ring + 511) == .failed)
      }
      #expect(
        cells(board, 769, at: ring) == filled(0x11, 256) + filled(0xFF, 512) + [0xFF])
      try board.setPage(at: ring + 256, .good)
      #expect(program([0x22], at: ring + 511) == .ok)
      #expect(cells(board, 1, at: ring + 511) == [0x22])
    }
    #expect(throws: EmulatedBoardError.self) {
      try board.setPage(at: board.configuration.flash.size, .lies)
    }
  }

  @Test func `a weak page says ok and programs some bits, more with each try`() throws {
    let board = try EmulatedBoard()
    try board.setPage(at: ring, .weak)
    board.run {
      #expect(program(filled(0x0F, 256), at: ring) == .ok)
      let once = cells(board, 256, at: ring)
      #expect(once.allSatisfy { $0 & 0x0F == 0x0F }, "bits that were to stay are firm")
      #expect(Set(once).count > 5)
      for _ in 0..<40 { _ = program(filled(0x0F, 256), at: ring) }
      #expect(cells(board, 256, at: ring) == filled(0x0F, 256))
    }
  }

  @Test func `stuck bits read as they are stuck, through program and erase`() throws {
    let board = try EmulatedBoard()
    try board.setStuckBits(at: ring + 1, zeros: 0x80, ones: 0x01)
    try board.run {
      #expect(read(3, at: ring) == (.ok, [0xFF, 0x7F, 0xFF]))
      #expect(program([0, 0, 0], at: ring) == .ok)
      #expect(read(3, at: ring) == (.ok, [0, 0x01, 0]))
      #expect(halFlashErase(ring) == .ok)
      #expect(read(3, at: ring) == (.ok, [0xFF, 0x7F, 0xFF]))
      try board.setStuckBits(at: ring + 1)
      #expect(read(3, at: ring) == (.ok, filled(0xFF, 3)))
    }
    #expect(throws: EmulatedBoardError.self) {
      try board.setStuckBits(at: ring, zeros: 1, ones: 1)
    }
  }

  @Test func `a flipped bit is one bit`() throws {
    let board = try EmulatedBoard()
    try board.flipNorBit(Int(ring) * 8 + 11)
    #expect(try board.nor(at: ring, count: 3) == [0xFF, 0xF7, 0xFF])
  }

  @Test func `the fault context may not erase, talk or start a watchdog`() throws {
    let board = try EmulatedBoard()
    board.runFault {
      #expect(halFlashErase(ring) == .failed)
      #expect(write([1]) == 0)
      #expect(entropy(1).status == .failed)
      #expect(halWatchdogStart(timeoutMilliseconds: 9, warningMilliseconds: 0) == .failed)
      #expect(program([0], at: ring) == .ok)
      halWatchdogFeed()
    }
    #expect(board.counters.contextViolations == 4)
    #expect(board.counters.erases == 0)
    #expect(board.pendingReset == .fault)
    board.warmReset()
    board.run {
      #expect(halResetCause() == .fault)
      #expect(halFlashErase(ring) == .ok)
    }
  }
}
