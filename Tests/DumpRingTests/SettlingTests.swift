// What a power cut left undecided is decided once, and stays decided.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct SettlingTests {
  private static let noMark = [UInt8](repeating: 0xFF, count: 8)
  private static let wholeMark = [UInt8](repeating: 0, count: 8)

  /// Cuts a capture at each of its points, with drifting bits.
  @Test(arguments: [false, true])
  func `an undecided capture is decided for good`(wholePage: Bool) throws {
    let points = try capturePoints()
    for point in 1...points {
      let board = try cutCapture(at: point, wholePage: wholePage, seed: UInt64(point))
      try board.run { () throws in
        // A mount or two of an image that never offers what it finds.
        for _ in 0..<point % 3 { _ = makeRing() }
        let ring = try #require(makeRing())
        let decided = try ring.waitingKeys
        for _ in 0..<60 {
          ring.mount()
          #expect(try ring.waitingKeys == decided, "point \(point)")
        }
        if let index = try ring.next(after: key(0, 0)) {
          for _ in 0..<20 { #expect(isWhole(try ring.dump(in: index)), "point \(point)") }
        }
        // Nothing that a cut left makes a slot useless.
        #expect(ring.count(.retired) == 0, "point \(point)")
      }
    }
  }

  @Test func `a capture that never finished is ended for good`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let end = ring.offset(of: index) + SlotLayout.commitEnd
      try board.setNor(at: end, to: Self.noMark)
      ring.mount(index)
      #expect(ring.slot(index).state == .dirty)
      #expect(try board.nor(at: end, count: 8) == Self.wholeMark)
      // Once is enough.
      board.clearCounters()
      ring.mount(index)
      #expect(board.counters.programs == 0)
    }
  }

  @Test func `a release that was begun is completed and a flipped bit begins none`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let mark = ring.offset(of: index) + SlotLayout.releasedMark
      try board.setNor(at: mark, to: [0x7F])
      ring.mount()
      #expect(ring.slot(index).state == .waiting)
      try board.setNor(at: mark, to: [0, 0xFF])
      ring.mount()
      #expect(ring.slot(index).state == .released)
      #expect(try board.nor(at: mark, count: 8) == Self.wholeMark)
    }
  }

  @Test func `an unsettled commit is proved and made stable when it is first offered`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let good = try #require(try ring.keep(key(1)))
      let bad = try #require(try ring.keep(key(2)))
      for index in [good, bad] {
        try board.setNor(at: ring.offset(of: index) + SlotLayout.settledMark, to: Self.noMark)
      }
      try board.flipNorBit(Int(ring.offset(of: bad) + 300) * 8)
      ring.mount()
      #expect(ring.count(.waiting) == 2)
      #expect(try ring.waitingKeys == [key(1)])
      let start = ring.offset(of: good)
      #expect(try board.nor(at: start + SlotLayout.settledMark, count: 8) == Self.wholeMark)
      #expect(try board.nor(at: start + SlotLayout.verifiedMark, count: 8) == Self.wholeMark)
      // Its capture had not come to its end: the slot itself is not to blame.
      #expect(ring.slot(bad).state == .dirty)
      #expect(
        try board.nor(at: ring.offset(of: bad) + SlotLayout.commitEnd, count: 8) == Self.wholeMark)
      ring.mount()
      #expect(try ring.waitingKeys == [key(1)] && ring.slot(bad).state == .dirty)
    }
  }

  @Test func `a settled dump that is damaged is never offered and its slot is retired`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let bad = try #require(try ring.keep(key(1)))
      try ring.keep(key(2))
      try board.flipNorBit(Int(ring.offset(of: bad) + 300) * 8)
      ring.mount()
      #expect(try ring.waitingKeys == [key(2)])
      #expect(ring.slot(bad).state == .retired)
      ring.mount()
      #expect(ring.slot(bad).state == .retired)
      #expect(try ring.waitingKeys == [key(2)] && ring.find(key(1)) == nil)
      // It is never taken again.
      for boot in 3...20 as ClosedRange<UInt32> { #expect(try ring.keep(key(boot)) != bad) }
      #expect(board.erases(ofSectorAt: ring.offset(of: bad)) == 1)
    }
  }

  @Test func `a damaged dump does not keep the ones behind it from being offered`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...5 as ClosedRange<UInt32> {
        let index = try #require(try ring.keep(key(boot)))
        if boot != 4 { try board.flipNorBit(Int(ring.offset(of: index) + 300) * 8) }
      }
      ring.mount()
      #expect(try ring.next(after: key(0)).map { ring.slot($0).key } == key(4))
      #expect(try ring.waitingKeys == [key(4)])
    }
  }

  @Test func `a dump is proved once in its life`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...4 as ClosedRange<UInt32> { try ring.keep(key(boot)) }
      ring.mount()
      board.clearCounters()
      #expect(try ring.waitingKeys.count == 4)
      #expect(board.counters.bytesRead > 4 * 100)
      #expect(board.counters.programs == 4)
      board.clearCounters()
      ring.mount()
      #expect(try ring.waitingKeys.count == 4)
      #expect(board.counters.programs == 0)
      #expect(board.counters.bytesRead == 6 * 256)
    }
  }

  @Test func `a program that silently does nothing leaves no dump that counts`() throws {
    // A capture programs header, body, commit and mark; reading back finds all but the last.
    for operation in 1...4 {
      let board = try makeBoard()
      try board.run { () throws in
        let ring = try #require(makeRing())
        _ = ring.makeReady(dumpsPerFingerprint: 3)
        board.inject(.programIgnored, atOperation: operation)
        let content = [UInt8](repeating: 7, count: 100)
        if operation < 4 {
          #expect(throws: FlashError.failed) { try ring.capture(key(1), content: content) }
        } else {
          try ring.capture(key(1), content: content)
        }
        ring.mount()
        #expect(try ring.waitingKeys == (operation < 4 ? [] : [key(1)]), "operation \(operation)")
      }
    }
  }

  /// A release is cut at each point and mode: afterwards it is done or not, and stays so.
  @Test(arguments: EmulatedBoard.allTornStates)
  func `a release that is cut is done or not, for good`(torn: TornState) throws {
    for point in 1...8 {
      for wholePage in [false, true] {
        let board = try makeBoard(seed: UInt64(point))
        try board.run { () throws in
          let ring = try #require(makeRing())
          let index = try #require(try ring.keep(key(1)))
          board.injectPowerCut(at: point, torn: torn, wholePage: wholePage)
          #expect(throws: FlashError.self) { try ring.release(index) }
        }
        board.powerCycle()
        try board.run { () throws in
          let ring = try #require(makeRing())
          var wasReleased = ring.count(.released) == 1
          for _ in 0..<40 {
            ring.mount()
            let isReleased = ring.count(.released) == 1
            // What was released never waits again.
            #expect(isReleased || !wasReleased && ring.count(.waiting) == 1, "point \(point)")
            wasReleased = isReleased
          }
        }
      }
    }
  }

  private func capturePoints() throws -> Int {
    let board = try makeBoard()
    return try board.run { () throws in
      let ring = try #require(makeRing())
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      let before = board.cutPoints
      try ring.capture(key(1))
      return board.cutPoints - before
    }
  }

  private func cutCapture(at point: Int, wholePage: Bool, seed: UInt64) throws -> EmulatedBoard {
    let board = try makeBoard(seed: seed)
    try board.run { () throws in
      let ring = try #require(makeRing())
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      board.injectPowerCut(at: point, torn: .unstable, wholePage: wholePage)
      _ = try? ring.capture(key(1))
      #expect(board.state == .off)
    }
    board.powerCycle()
    return board
  }
}
