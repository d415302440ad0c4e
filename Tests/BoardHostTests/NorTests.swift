// The emulated flash behaves as NOR does while nothing is wrong with it.

import BoardHAL
import Foundation
import MartletTestKit
import Testing

@Suite struct NorTests {
  @Test func `a fresh part is erased`() throws {
    let board = try EmulatedBoard()
    #expect(try board.norImage().allSatisfy { $0 == 0xFF })
    board.run { #expect(read(8, at: ring + 3) == (.ok, filled(0xFF, 8))) }
  }

  @Test func `programming clears bits and never sets them`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(program([0xF0, 0xDE], at: ring) == .ok)
      #expect(program([0xDE, 0xF0], at: ring) == .ok)
      #expect(read(3, at: ring) == (.ok, [0xD0, 0xD0, 0xFF]))
    }
    #expect(board.counters.conflicts == 2)
  }

  @Test func `an erase sets one sector and leaves its neighbours`() throws {
    let board = try EmulatedBoard()
    try board.setNor(at: ring - 1, to: filled(0x11, Int(sector) + 2))
    board.run { #expect(halFlashErase(ring) == .ok) }
    #expect(
      try board.nor(at: ring - 1, count: Int(sector) + 2)
        == [0x11] + filled(0xFF, Int(sector)) + [0x11])
    #expect(board.erases(ofSectorAt: ring + 5) == 1)
    #expect(board.erases(ofSectorAt: ring - 1) == 0)
  }

  @Test func `a program crosses pages and sectors`() throws {
    let board = try EmulatedBoard()
    let bytes = (0..<600).map { UInt8(truncatingIfNeeded: $0) }
    board.run {
      #expect(program(bytes, at: ring + sector - 100) == .ok)
      #expect(read(600, at: ring + sector - 100) == (.ok, bytes))
    }
  }

  @Test func `addresses outside the part are refused and touch nothing`() throws {
    let board = try EmulatedBoard()
    let end: UInt32 = 4 << 20
    board.run {
      #expect(program([0, 0], at: end - 1) == .outOfRange)
      #expect(program([0], at: .max) == .outOfRange)
      #expect(read(2, at: end - 1).status == .outOfRange)
      #expect(halFlashErase(end) == .outOfRange)
      #expect(halFlashErase(ring + 1) == .misaligned)
      #expect(program([], at: end) == .ok)
    }
    #expect(try board.nor(at: end - 1, count: 1) == [0xFF])
    #expect(board.counters.cutPoints == 0)
    #expect(throws: EmulatedBoardError.self) { try board.nor(at: end, count: 1) }
  }

  @Test func `bytes, erases and cut points are counted exactly`() throws {
    let board = try EmulatedBoard()
    board.run {
      _ = program(filled(0, 300), at: ring)
      _ = halFlashErase(ring)
      _ = halFlashErase(ring)
      _ = read(70, at: ring)
    }
    let counters = board.counters
    #expect(counters.bytesProgrammed == 300)
    #expect(counters.programs == 1)
    #expect(counters.erases == 2)
    #expect(counters.cutPoints == 302)
    #expect(counters.bytesRead == 70)
    #expect(board.erases(ofSectorAt: ring) == 2)
    board.clearCounters()
    #expect(board.cutPoints == 0)
    #expect(board.erases(ofSectorAt: ring) == 0)
  }

  @Test func `a board without flash refuses every address`() throws {
    var configuration = EmulatedBoard.Configuration()
    configuration.flash = FlashGeometry()
    let board = try EmulatedBoard(configuration)
    board.run {
      #expect(halFlashGeometry().size == 0)
      #expect(read(1, at: 0).status == .outOfRange)
      #expect(program([0], at: 0) == .outOfRange)
      #expect(halFlashErase(0) == .outOfRange)
    }
  }

  @Test func `a part in a file outlives its board`() throws {
    try TemporaryDirectory.with { directory in
      var configuration = EmulatedBoard.Configuration()
      configuration.norFile = directory.file("nor.bin").path
      do {
        let board = try EmulatedBoard(configuration)
        board.run { #expect(program([1, 2, 3], at: ring) == .ok) }
      }
      let again = try EmulatedBoard(configuration)
      again.run { #expect(read(4, at: ring) == (.ok, [1, 2, 3, 0xFF])) }
    }
  }

  @Test func `a file of another size is refused with a reason`() throws {
    try TemporaryDirectory.with { directory in
      let file = directory.file("nor.bin")
      try Data([1, 2, 3]).write(to: file)
      var configuration = EmulatedBoard.Configuration()
      configuration.norFile = file.path
      let error = #expect(throws: EmulatedBoardError.self) { try EmulatedBoard(configuration) }
      #expect(error?.code == .cannotBeMade)
      #expect(error?.message.contains("another size") == true)
      #expect(try Data(contentsOf: file) == Data([1, 2, 3]))
    }
  }

  @Test func `a geometry that does not fit is refused`() throws {
    var configuration = EmulatedBoard.Configuration()
    configuration.flash.ringOffset += 1
    #expect(throws: EmulatedBoardError.self) { try EmulatedBoard(configuration) }
    configuration.flash.ringOffset = configuration.flash.size
    #expect(throws: EmulatedBoardError.self) { try EmulatedBoard(configuration) }
  }
}
