// What a power cut left undecided is decided once, and stays decided.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

@Suite struct SettlingTests {
  /// Cuts a capture at each point of its last 40 bytes, commit and settled mark, with drifting bits.
  @Test(arguments: [false, true])
  func `an undecided commit is decided for good`(wholePage: Bool) throws {
    let points = try capturePoints()
    for point in points - 40...points {
      let board = try cutCapture(at: point, wholePage: wholePage, seed: UInt64(point))
      try board.run { () throws in
        let ring = try #require(makeRing())
        ring.settle()
        let decided = ring.waitingKeys
        for _ in 0..<200 { #expect(ring.waitingKeys == decided, "point \(point)") }
        if let slot = ring.next(after: key(0, 0)) {
          for _ in 0..<20 { #expect(isWhole(try ring.dump(in: slot)), "point \(point)") }
        }
        ring.settle()
        #expect(ring.waitingKeys == decided, "point \(point)")
      }
    }
  }

  @Test func `a committed dump with a damaged body is ended, one without its mark is kept`() throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let good = try #require(try ring.capture(key(1)))
      let bad = try #require(try ring.capture(key(2)))
      for index in [good, bad] {
        try board.setNor(
          at: ring.offset(of: index) + 40, to: [UInt8](repeating: 0xFF, count: 8))
      }
      try board.flipNorBit(Int(ring.offset(of: bad) + 300) * 8)
      ring.settle()
      #expect(ring.waitingKeys == [key(1)])
      #expect(ring.slot(bad).state == .dirty)
      #expect(
        try board.nor(at: ring.offset(of: good) + 40, count: 8) == [UInt8](repeating: 0, count: 8))
    }
  }

  @Test func `a dump is checked once and never again`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...4 as ClosedRange<UInt32> {
        ring.reclaimAll()
        try ring.capture(key(boot))
      }
      ring.settle()
      board.clearCounters()
      ring.settle()
      #expect(board.counters.programs == 0)
      #expect(board.counters.bytesRead == 6 * 256)
    }
  }

  @Test func `a program that silently does nothing leaves no dump that counts`() throws {
    // A capture programs header, body, commit and mark.
    for operation in 1...4 {
      let board = try makeBoard()
      try board.run { () throws in
        let ring = try #require(makeRing())
        ring.reclaimAll()
        board.inject(.programIgnored, atOperation: operation)
        try ring.capture(key(1), content: [UInt8](repeating: 7, count: 100))
        ring.settle()
        for waiting in ring.waitingKeys {
          let slot = try #require(ring.find(waiting))
          #expect(isWhole(try ring.dump(in: slot)), "operation \(operation)")
        }
      }
    }
  }

  private func capturePoints() throws -> Int {
    let board = try makeBoard()
    return try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let before = board.cutPoints
      try ring.capture(key(1))
      return board.cutPoints - before
    }
  }

  private func cutCapture(at point: Int, wholePage: Bool, seed: UInt64) throws -> EmulatedBoard {
    let board = try makeBoard(seed: seed)
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      board.injectPowerCut(at: point, torn: .unstable, wholePage: wholePage)
      #expect(throws: FlashError.self) { try ring.capture(key(1)) }
    }
    board.powerCycle()
    return board
  }
}
