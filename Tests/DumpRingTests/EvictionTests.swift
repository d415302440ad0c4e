// Which slot is given up first, and how evenly slots wear.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct EvictionTests {
  /// Fills a ring of six slots with the given dumps, the first of them in slot 0, each slot erased once,
  /// so that age and order alone decide.
  private func withRing(
    _ dumps: [(boot: UInt32, fingerprint: UInt64)],
    _ body: (DumpRing, EmulatedBoard) throws -> Void
  ) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for (index, dump) in dumps.enumerated() {
        #expect(try ring.keep(key(dump.boot), fingerprint: dump.fingerprint) == index)
      }
      #expect((0..<6).allSatisfy { ring.slot($0).eraseCount == 1 })
      try body(ring, board)
    }
  }

  @Test func `dirty slots go before released ones, released before waiting`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, board) throws in
      try ring.release(3)
      try board.setNor(at: ring.offset(of: 5) + 128, to: [0])
      ring.mount()
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 5)
      try ring.capture(key(7))
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 3)
      try ring.capture(key(8))
      #expect(try ring.waitingKeys == [key(1), key(2), key(3), key(5), key(7), key(8)])
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 0)
    }
  }

  @Test func `surplus goes first, but for the first of its fingerprint`() throws {
    try withRing([(1, 9), (2, 7), (3, 7), (4, 7), (5, 7), (6, 8)]) { (ring, _) throws in
      #expect(ring.makeReady(dumpsPerFingerprint: 2) != nil)
      #expect(try ring.waitingKeys == [key(1), key(2), key(4), key(5), key(6)])
      try ring.capture(key(7), fingerprint: 6)
      #expect(ring.makeReady(dumpsPerFingerprint: 2) != nil)
      #expect(try ring.waitingKeys == [key(1), key(2), key(5), key(6), key(7)])
      try ring.capture(key(8), fingerprint: 5)
      // Two are left, which is what the lease keeps: the oldest of the rest goes.
      #expect(ring.makeReady(dumpsPerFingerprint: 2) != nil)
      #expect(try ring.waitingKeys == [key(2), key(5), key(6), key(7), key(8)])
    }
  }

  @Test func `without surplus the oldest goes that is not the first of several`() throws {
    try withRing([(1, 7), (2, 7), (3, 9), (4, 8), (5, 8), (6, 6)]) { (ring, _) throws in
      #expect(ring.makeReady(dumpsPerFingerprint: 3) != nil)
      #expect(try ring.waitingKeys == [key(1), key(3), key(4), key(5), key(6)])
      // The first of a boot loop is alone now and counts as any other.
      try ring.capture(key(7), fingerprint: 5)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) != nil)
      #expect(try ring.waitingKeys == [key(3), key(4), key(5), key(6), key(7)])
      try ring.capture(key(8), fingerprint: 4)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) != nil)
      #expect(try ring.waitingKeys == [key(4), key(5), key(6), key(7), key(8)])
      try ring.capture(key(9), fingerprint: 3)
      // The oldest of all is the first of several: it stays.
      #expect(ring.makeReady(dumpsPerFingerprint: 3) != nil)
      #expect(try ring.waitingKeys == [key(4), key(6), key(7), key(8), key(9)])
    }
  }

  @Test func `released dumps of a fingerprint make none of the waiting ones surplus`() throws {
    try withRing([(1, 9), (2, 7), (3, 7), (4, 7), (5, 8), (6, 6)]) { (ring, _) throws in
      for index in [2, 3] {
        try ring.release(index)
        #expect(ring.makeReady(dumpsPerFingerprint: 1) == index)
        try ring.capture(key(UInt32(10 + index)), fingerprint: UInt64(10 + index))
      }
      #expect(ring.makeReady(dumpsPerFingerprint: 1) == 0)
    }
  }

  @Test func `when nothing but firsts is left the oldest goes`() throws {
    let board = try makeBoard(sectors: 4)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for (boot, name) in [(8, 1), (3, 2), (9, 1), (4, 2)] as [(UInt32, UInt64)] {
        try ring.keep(key(boot), fingerprint: name)
      }
      #expect(ring.makeReady(dumpsPerFingerprint: 1) == 3)
      try ring.capture(key(10), fingerprint: 2)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 2)
      try ring.capture(key(11), fingerprint: 1)
      // Two fingerprints, each with a first and another: the older of the others goes.
      #expect(try ring.waitingKeys == [key(3), key(8), key(10), key(11)])
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 3)
    }
  }

  @Test func `a ring of two slots keeps a dump until the next one comes`() throws {
    let board = try makeBoard(sectors: 2)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...5 as ClosedRange<UInt32> {
        #expect(ring.makeReady(dumpsPerFingerprint: 3) != nil)
        #expect(try ring.waitingKeys == (boot == 1 ? [] : [key(boot - 1)]))
        try ring.capture(key(boot), fingerprint: UInt64(boot))
      }
    }
  }

  @Test func `among equals the slot erased least often goes first`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, board) throws in
      // Slot 2 was erased once more than the others.
      try ring.release(2)
      #expect(try ring.keep(key(7)) == 2)
      #expect(ring.slot(2).eraseCount == 2)
      try ring.release(2)
      try ring.release(4)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 4)
      try ring.capture(key(8))
      // The same among dirty ones.
      for index in [2, 5] { try board.setNor(at: ring.offset(of: index) + 128, to: [0]) }
      ring.mount()
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 5)
    }
  }

  @Test func `a slot whose mark is gone counts as the most worn`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, board) throws in
      for boot in 7...9 as ClosedRange<UInt32> {
        try ring.release(3)
        #expect(try ring.keep(key(boot)) == 3)
      }
      #expect(ring.slot(3).eraseCount == 4)
      // Slot 0 loses its mark: it is dirty, and never known to be fresher than the most worn one.
      try board.setNor(at: ring.offset(of: 0), to: [UInt8](repeating: 0, count: 256))
      ring.mount()
      #expect(ring.slot(0).eraseCount == Slot.unknownCount)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 0)
      #expect(ring.slot(0).eraseCount == 4)
    }
  }

  /// Captures, deliveries and boot loops at random, as long as a board may live.
  @Test func `two thousand captures wear all slots alike`() throws {
    let board = try makeBoard(sectors: 16)
    var generator = SeededGenerator.fromEnvironment()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...2000 as ClosedRange<UInt32> {
        if generator.chance(0.2) { ring.mount() }
        let fingerprint = generator.chance(0.5) ? 1 : UInt64.random(in: 2...20, using: &generator)
        #expect(try ring.keep(key(boot), fingerprint: fingerprint) != nil)
        if generator.chance(0.7),
          let waiting = try ring.waitingKeys.randomElement(using: &generator),
          let index = ring.find(waiting)
        {
          try ring.release(index)
        }
      }
      let erases = (0..<ring.slotCount).map { board.erases(ofSectorAt: ring.offset(of: $0)) }
      let mean = Double(erases.reduce(0, +)) / Double(erases.count)
      let ratio = Double(erases.max() ?? 0) / mean
      Figure.report("ring.wear.ratio", ratio)
      #expect(ratio < 1.5, "\(erases)")
    }
  }
}
