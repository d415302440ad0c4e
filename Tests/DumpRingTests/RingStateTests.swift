// What a slot is taken for: fresh, ready, waiting, released, and everything that is not to be trusted.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

@Suite struct RingStateTests {
  @Test func `fresh flash has nothing ready and nothing waiting until it is reclaimed`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(ring.readySlot() == nil)
      #expect(ring.waitingKeys.isEmpty)
      #expect(ring.reclaimAll() == 2)
      #expect(ring.states.filter { $0 == .ready }.count == 2)
      #expect(try ring.reclaimOne(dumpsPerFingerprint: 3) == false)
    }
  }

  @Test(arguments: [0, 0x55, 0xAA, nil] as [UInt8?])
  func `foreign data is never trusted and gives way`(fill: UInt8?) throws {
    let board = try makeBoard()
    var generator = SeededGenerator.fromEnvironment()
    let foreign = fill.map { [UInt8](repeating: $0, count: 6 * 4096) } ?? generator.bytes(6 * 4096)
    try board.setNor(at: ringOffset, to: foreign)
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.settle()
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(ring.reclaimAll() == 2)
      #expect(try ring.capture(key(1)) != nil)
      #expect(ring.waitingKeys == [key(1)])
    }
  }

  @Test func `a capture waits, is read in key order, released and reclaimed`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in [5, 3, 9, 4] as [UInt32] {
        ring.reclaimAll()
        #expect(try ring.capture(key(boot), fingerprint: UInt64(boot)) != nil)
      }
      #expect(ring.waitingKeys == [key(3), key(4), key(5), key(9)])
      #expect(ring.countWaiting() == 4)
      #expect(ring.next(after: key(4))?.key == key(5))
      #expect(ring.next(after: key(9)) == nil)
      let slot = try #require(ring.find(key(4)))
      #expect(isWhole(try ring.dump(in: slot)))
      try ring.release(slot)
      try ring.release(slot)
      #expect(ring.find(key(4))?.state == .released)
      #expect(ring.waitingKeys == [key(3), key(5), key(9)])
      // Five captures in six slots: a fresh slot is made ready, then the released one.
      try ring.capture(key(10))
      #expect(ring.reclaimAll() == 2)
      #expect(ring.find(key(4)) == nil)
      #expect(ring.waitingKeys == [key(3), key(5), key(9), key(10)])
    }
  }

  @Test func `ready slots and dumps of another version are reclaimed`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let index = try #require(try ring.capture(key(1)))
      let ready = try #require(ring.readySlot())
      for (slot, version) in [(index, 2), (ready.index, 0)] as [(UInt32, UInt8)] {
        var mark = try board.nor(at: ring.offset(of: slot), count: 16)
        mark[4] = version
        let crc = mark.prefix(12).withUnsafeBytes { CRC32C.checksum($0) }
        for i in 0..<4 { mark[12 + i] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(i))) }
        try board.setNor(at: ring.offset(of: slot), to: mark)
        #expect(ring.slot(slot).state == .dirty)
      }
      ring.settle()
      #expect(ring.waitingKeys.isEmpty)
      #expect(ring.reclaimAll() == 2)
    }
  }

  @Test(arguments: [(4096, 8192), (8192, 4096), (8192, 12288)] as [(UInt32, UInt32)])
  func `a ring with other slots is reclaimed and its marks count for nothing`(
    before: UInt32, after: UInt32
  ) throws {
    let board = try makeBoard(sectors: 24)
    try board.run { () throws in
      let old = try #require(makeRing(slotSize: before))
      for boot in 1...5 as ClosedRange<UInt32> {
        old.reclaimAll()
        try old.capture(key(boot), content: [UInt8](repeating: 0xFF, count: 3000))
      }
      old.reclaimAll()
      let ring = try #require(makeRing(slotSize: after))
      ring.settle()
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(ring.reclaimAll() == 2)
      #expect(
        try ring.capture(key(6), content: [UInt8](repeating: 0x5A, count: Int(after) - 300)) != nil)
      let slot = try #require(ring.next(after: key(0, 0)))
      #expect(slot.key == key(6))
      #expect(isWhole(try ring.dump(in: slot)))
    }
  }

  @Test func `sizes that fit no ring make none`() throws {
    let board = try makeBoard(sectors: 6)
    board.run {
      #expect(makeRing(slotSize: 0) == nil)
      #expect(makeRing(slotSize: 4095) == nil)
      #expect(makeRing(slotSize: 6144) == nil)
      #expect(makeRing(slotSize: 16384) == nil)
      #expect(makeRing(slotSize: 12288)?.slotCount == 2)
      #expect(DumpRing(geometry: FlashGeometry(), slotSize: 4096) == nil)
    }
    let large = try makeBoard(sectors: 100)
    large.run { #expect(makeRing()?.slotCount == DumpRing.mostSlots) }
  }

  @Test func `every flipped bit of a ready slot's page leaves it unready`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let ready = try #require(ring.readySlot())
      let base = Int(ring.offset(of: ready.index))
      for bit in 0..<256 * 8 {
        try board.flipNorBit(base * 8 + bit)
        #expect(ring.slot(ready.index).state == .dirty, "bit \(bit)")
        try board.flipNorBit(base * 8 + bit)
      }
      #expect(ring.slot(ready.index).state == .ready)
    }
  }

  @Test func `every flipped bit of a stored dump is noticed, and none releases it`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let index = try #require(try ring.capture(key(1)))
      let length = Int(SlotLayout.dump + ring.slot(index).dumpLength)
      let original = try ring.dump(in: ring.slot(index))
      var unnoticed = 0
      let base = Int(ring.offset(of: index))
      for bit in 0..<length * 8 {
        try board.flipNorBit(base * 8 + bit)
        let slot = ring.slot(index)
        #expect(slot.state != .released && slot.state != .ready, "bit \(bit)")
        if slot.state == .waiting {
          let dump = try ring.dump(in: slot)
          if isWhole(dump), dump != original { unnoticed += 1 }
        }
        try board.flipNorBit(base * 8 + bit)
      }
      print("bitflip.unnoticed: \(unnoticed)")
      #expect(unnoticed == 0)
    }
  }

  @Test func `a released mark counts from half of its bits on`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let index = try #require(try ring.capture(key(1)))
      let mark = ring.offset(of: index) + 32
      for bits in 0...64 {
        let bytes = (0..<8).map { byte -> UInt8 in
          let programmed = max(0, min(8, bits - byte * 8))
          return programmed == 8 ? 0 : 0xFF << UInt8(programmed)
        }
        try board.setNor(at: mark, to: bytes)
        #expect(ring.slot(index).state == (bits < 32 ? .waiting : .released), "\(bits) bits")
      }
    }
  }

  @Test func `a release that was begun is completed and a flipped bit begins none`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let index = try #require(try ring.capture(key(1)))
      let mark = ring.offset(of: index) + 32
      try board.setNor(at: mark, to: [0x7F])
      ring.settle()
      #expect(ring.slot(index).state == .waiting)
      try board.setNor(at: mark, to: [0, 0xF0])
      ring.settle()
      #expect(ring.slot(index).state == .released)
      #expect(try board.nor(at: mark, count: 8) == [UInt8](repeating: 0, count: 8))
    }
  }

  @Test func `a slot that cannot be read is dirty and the others serve`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let first = try #require(try ring.capture(key(1)))
      ring.reclaimAll()
      try ring.capture(key(2))
      let start = ring.offset(of: first)
      board.setUnreadable(start..<start + 16)
      #expect(ring.slot(first).state == .dirty)
      #expect(ring.waitingKeys == [key(2)])
      board.setUnreadable(nil)
      #expect(ring.waitingKeys == [key(1), key(2)])
    }
  }

  @Test func `a key in two slots is found where it waits`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      let first = try #require(try ring.capture(key(1)))
      let second = try #require(try ring.capture(key(1)))
      try ring.release(ring.slot(min(first, second)))
      let found = try #require(ring.find(key(1)))
      #expect(found.state == .waiting && found.index == max(first, second))
    }
  }

  @Test func `all waiting dumps are released even when one cannot be`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...4 as ClosedRange<UInt32> {
        ring.reclaimAll()
        try ring.capture(key(boot))
      }
      board.inject(.programFails, atOperation: 2)
      ring.releaseAll()
      // The failing one got half of its mark, which is enough.
      #expect(ring.waitingKeys.isEmpty)
    }
  }
}
