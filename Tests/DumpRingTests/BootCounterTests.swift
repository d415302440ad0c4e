// The boot counter never gives a number twice, whatever the power does.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

@Suite struct BootCounterTests {
  private func count() -> UInt32? {
    BootCounter(geometry: halFlashGeometry()).flatMap { try? $0.countBoot() }
  }

  /// A tally with room for `left` more boots.
  private func fill(_ board: EmulatedBoard, left: Int, start: UInt32 = 1000) throws -> UInt32 {
    let bits = (4096 - 16) * 8 - left
    var sector = [UInt8](repeating: 0xFF, count: 4096)
    sector.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      base.store32(0x3154_424D, at: 0)
      base.store32(start, at: 4)
      base.store32(CRC32C.checksum(UnsafeRawBufferPointer(start: base, count: 8)), at: 8)
      for bit in 0..<bits { raw[16 + bit / 8] &= ~(1 << UInt8(bit % 8)) }
    }
    try board.setNor(at: 0, to: sector)
    return start + UInt32(bits)
  }

  @Test func `boots are numbered from one`() throws {
    let board = try makeBoard()
    board.run { for number in 1...100 as ClosedRange<UInt32> { #expect(count() == number) } }
  }

  @Test func `a full sector hands over to the other and back`() throws {
    let board = try makeBoard()
    let before = try fill(board, left: 3)
    board.run { for step in 1...20 as ClosedRange<UInt32> { #expect(count() == before + step) } }
    // The second sector, filled, hands back to the first.
    let second = try board.nor(at: 4096, count: 4096)
    var full = [UInt8](second.prefix(16)) + [UInt8](repeating: 0, count: 4080)
    full[4095] = 0x80
    try board.setNor(at: 4096, to: full)
    let start = before + 3
    board.run {
      #expect(count() == start + 4080 * 8)
      #expect(count() == start + 4080 * 8 + 1)
      #expect(count() == start + 4080 * 8 + 2)
    }
    #expect(board.erases(ofSectorAt: 0) == 1)
  }

  @Test func `foreign data in the state is replaced and counted from one`() throws {
    let board = try makeBoard()
    var generator = SeededGenerator.fromEnvironment()
    try board.setNor(at: 0, to: generator.bytes(8192))
    board.run { for number in 1...3 as ClosedRange<UInt32> { #expect(count() == number) } }
  }

  @Test func `flash that cannot be read or written gives no number`() throws {
    let board = try makeBoard()
    board.run {
      #expect(count() == 1)
      board.setUnreadable(0..<8192)
      #expect(count() == nil)
      board.setUnreadable(nil)
      board.inject(.programFails)
      #expect(count() == nil)
      #expect(BootCounter(geometry: FlashGeometry()) == nil)
    }
  }

  /// Six boots from three places: fresh flash, over the end of a byte, over the end of a sector. Each
  /// is cut at each point in each mode, twice in a row, and goes on.
  @Test(arguments: EmulatedBoard.allTornStates, [0, 12, 3])
  func `no number comes twice under a power cut`(torn: TornState, left: Int) throws {
    func makeCounter(seed: Int) throws -> EmulatedBoard {
      let board = try makeBoard(seed: UInt64(seed))
      if left > 0 { _ = try fill(board, left: left) }
      return board
    }
    let whole = try makeCounter(seed: 1)
    let points = whole.countingCutPoints { for _ in 0..<6 { _ = count() } }
    for point in 1...points {
      for second in [0, 1, 2, 13] {
        for wholePage in [false, true] {
          let board = try makeCounter(seed: point * 31 + second)
          board.injectPowerCut(at: point, torn: torn, wholePage: wholePage)
          var numbers: [UInt32] = []
          var cuts = 0
          for _ in 0..<10 {
            let number = board.run { count() }
            if let number { numbers.append(number) }
            if board.state == .off {
              board.powerCycle()
              if cuts == 0, second > 0 {
                board.injectPowerCut(at: second, torn: torn, wholePage: wholePage)
              }
              cuts += 1
            }
          }
          #expect(
            zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 },
            "point \(point), second \(second): \(numbers)")
          #expect(numbers.count >= 8)
        }
      }
    }
  }
}
