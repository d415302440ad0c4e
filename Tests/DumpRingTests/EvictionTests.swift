// Which slot is given up first, and how evenly slots wear.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct EvictionTests {
  /// Fills a ring of six slots: the given dumps, in order, one after the other.
  private func withRing(
    _ dumps: [(boot: UInt32, fingerprint: UInt64)],
    _ body: (DumpRing, EmulatedBoard) throws -> Void
  ) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for index in 0..<ring.slotCount {
        // Every slot erased once, so that age and order alone decide.
        try ring.makeReadyForTest(index)
      }
      for (index, dump) in dumps.enumerated() {
        try ring.write(key(dump.boot), fingerprint: dump.fingerprint, in: UInt32(index))
      }
      try body(ring, board)
    }
  }

  @Test func `dirty slots go before released ones, released before waiting`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, board) throws in
      try ring.release(ring.slot(3))
      try board.setNor(at: ring.offset(of: 5) + 128, to: [0])
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.slot(5).state == .ready)
      #expect(ring.slot(3).state == .released)
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.slot(3).state == .ready)
      #expect(try !ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.waitingKeys == [key(1), key(2), key(3), key(5)])
    }
  }

  @Test func `surplus goes first, but for the first of its fingerprint`() throws {
    try withRing([(1, 9), (2, 7), (3, 7), (4, 7), (5, 7), (6, 8)]) { (ring, _) throws in
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 2))
      #expect(ring.waitingKeys == [key(1), key(2), key(4), key(5), key(6)])
      try ring.capture(key(7), fingerprint: 6)
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 2))
      #expect(ring.waitingKeys == [key(1), key(2), key(5), key(6), key(7)])
    }
  }

  @Test func `without surplus the oldest goes that is not the first of several`() throws {
    try withRing([(1, 7), (2, 7), (3, 9), (4, 8), (5, 8), (6, 6)]) { (ring, _) throws in
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.waitingKeys == [key(1), key(3), key(4), key(5), key(6)])
      // The first of a boot loop is alone now and counts as any other.
      try ring.capture(key(7), fingerprint: 5)
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.waitingKeys == [key(3), key(4), key(5), key(6), key(7)])
    }
  }

  @Test func `when nothing but firsts is left the oldest goes`() throws {
    let board = try makeBoard(sectors: 2)
    try board.run { () throws in
      let ring = try #require(makeRing())
      try ring.makeReadyForTest(0)
      try ring.makeReadyForTest(1)
      try ring.write(key(8), fingerprint: 1, in: 0)
      try ring.write(key(3), fingerprint: 2, in: 1)
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 1))
      #expect(ring.waitingKeys == [key(8)])
    }
  }

  @Test func `no waiting dump gives way for a second ready slot`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, _) throws in
      #expect(ring.reclaimAll() == 1)
      #expect(ring.waitingKeys == [key(2), key(3), key(4), key(5), key(6)])
      try ring.release(ring.slot(1))
      #expect(ring.reclaimAll() == 1)
      #expect(ring.waitingKeys == [key(3), key(4), key(5), key(6)])
    }
  }

  @Test func `a ring of two slots keeps a dump until the next one comes`() throws {
    let board = try makeBoard(sectors: 2)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...5 as ClosedRange<UInt32> {
        ring.reclaimAll()
        #expect(ring.waitingKeys == (boot == 1 ? [] : [key(boot - 1)]))
        try ring.capture(key(boot), fingerprint: UInt64(boot))
      }
    }
  }

  @Test func `among equals the slot erased least often goes first`() throws {
    try withRing([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]) { (ring, _) throws in
      // Slot 4 was erased once more than the others.
      try ring.release(ring.slot(4))
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.slot(4).eraseCount == 2)
      try ring.write(key(7), in: 4)
      try ring.release(ring.slot(4))
      try ring.release(ring.slot(2))
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      #expect(ring.slot(2).state == .ready && ring.slot(4).state == .released)
    }
  }

  @Test func `the fault path takes the ready slot erased least often`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let first = try #require(ring.readySlot())
      try ring.write(key(1), in: first.index)
      try ring.release(ring.slot(first.index))
      for index in 0..<ring.slotCount where ring.slot(index).state == .dirty {
        try ring.write(key(index + 10), in: index)
      }
      #expect(ring.reclaimAll() == 1)
      #expect(ring.slot(first.index).eraseCount == 2)
      #expect(ring.readySlot()?.index != first.index)
    }
  }

  @Test func `a slot whose erase fails is not marked ready`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      board.inject(.eraseFails)
      #expect(throws: FlashError.failed) { _ = try ring.reclaimOne(dumpsPerFingerprint: 3) }
      #expect(ring.readySlot() == nil)
      #expect(ring.reclaimAll() == 2)
    }
  }

  /// Captures, deliveries and boot loops at random, as long as a board may live.
  @Test func `two thousand captures wear all slots alike`() throws {
    let board = try makeBoard(sectors: 16)
    var generator = SeededGenerator.fromEnvironment()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...2000 as ClosedRange<UInt32> {
        for _ in 0..<2 { _ = try ring.reclaimOne(dumpsPerFingerprint: 3) }
        let fingerprint = generator.chance(0.5) ? 1 : UInt64.random(in: 2...20, using: &generator)
        #expect(try ring.capture(key(boot), fingerprint: fingerprint) != nil)
        if generator.chance(0.7), let waiting = ring.waitingKeys.randomElement(using: &generator),
          let slot = ring.find(waiting)
        {
          try ring.release(slot)
        }
      }
      let erases = (0..<ring.slotCount).map { board.erases(ofSectorAt: ring.offset(of: $0)) }
      let mean = Double(erases.reduce(0, +)) / Double(erases.count)
      let ratio = Double(erases.max() ?? 0) / mean
      print("wear.ratio: \(ratio) (\(erases))")
      #expect(ratio < 1.5)
    }
  }

  @Test(arguments: [6, 16, 64] as [UInt32])
  func `a mount reads a bounded number of bytes`(slots: UInt32) throws {
    let board = try makeBoard(sectors: slots)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for index in 0..<slots {
        try ring.makeReadyForTest(index)
        try ring.write(key(index + 1), fingerprint: UInt64(index), in: index)
      }
      ring.settle()
      board.clearCounters()
      ring.settle()
      _ = ring.next(after: key(0, 0))
      _ = ring.countWaiting()
      #expect(board.counters.bytesRead == UInt64(3 * slots * 256))
      board.clearCounters()
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3))
      print("reclaim.bytes: \(board.counters.bytesRead) B with \(slots) slots")
      #expect(board.counters.bytesRead <= UInt64(slots * (slots + 2) * 256))
    }
  }
}

extension DumpRing {
  /// Erases a slot and marks it ready, for the first time.
  func makeReadyForTest(_ index: UInt32) throws {
    try makeReady(index, eraseCount: 1)
  }
}
