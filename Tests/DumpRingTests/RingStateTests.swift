// What a slot is taken for: fresh, ready, waiting, released, retired, and what is not to be trusted.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct RingStateTests {
  @Test func `fresh flash has nothing ready and nothing waiting until a slot is made ready`() throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(ring.readySlot() == nil)
      #expect(try ring.waitingKeys.isEmpty)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 0)
      #expect(ring.states.filter { $0 == .ready }.count == 1)
      board.clearCounters()
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 0)
      #expect(board.counters.erases == 0 && board.counters.programs == 0)
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
      // All zeros are no retired slots, whatever their retired mark reads.
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(try board.nor(at: ringOffset, count: foreign.count) == foreign)
      #expect(try ring.keep(key(1)) != nil)
      #expect(try ring.waitingKeys == [key(1)])
    }
  }

  @Test func `a capture waits, is read in key order, released and reclaimed`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in [5, 3, 9, 4] as [UInt32] {
        #expect(try ring.keep(key(boot), fingerprint: UInt64(boot)) != nil)
      }
      #expect(try ring.waitingKeys == [key(3), key(4), key(5), key(9)])
      #expect(ring.count(.waiting) == 4)
      #expect(try ring.next(after: key(4)).map { ring.slot($0).key } == key(5))
      #expect(try ring.next(after: key(9)) == nil)
      let index = try #require(ring.find(key(4)))
      #expect(ring.slot(index).fingerprint.rawValue == 4)
      #expect(isWhole(try ring.dump(in: index)))
      try ring.release(index)
      try ring.release(index)
      #expect(ring.find(key(4)) == index && ring.slot(index).state == .released)
      #expect(try ring.waitingKeys == [key(3), key(5), key(9)])
      // The last two fresh slots, then the released one.
      for boot in [10, 11, 12] as [UInt32] { try ring.keep(key(boot)) }
      #expect(ring.find(key(4)) == nil)
      #expect(try ring.waitingKeys == [key(3), key(5), key(9), key(10), key(11), key(12)])
    }
  }

  @Test(arguments: [6, 16, 64] as [UInt32])
  func `a mount reads each slot's first 256 bytes and nothing else`(slots: UInt32) throws {
    let board = try makeBoard(sectors: slots)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1..<slots { try ring.keep(key(boot), fingerprint: UInt64(boot)) }
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      #expect(try ring.waitingKeys.count == Int(slots) - 1)
      board.clearCounters()
      let mounted = try #require(makeRing())
      #expect(board.counters.bytesRead == UInt64(slots) * 256)
      #expect(board.counters.reads == UInt64(slots))
      // Dumps that were proved once are offered, counted and found without another read.
      #expect(try mounted.waitingKeys.count == Int(slots) - 1)
      #expect(mounted.count(.waiting) == Int(slots) - 1)
      #expect(mounted.find(key(1)) != nil)
      #expect(mounted.makeReady(dumpsPerFingerprint: 3) != nil)
      #expect(board.counters.bytesRead == UInt64(slots) * 256)
      #expect(board.counters.programs == 0 && board.counters.erases == 0)
      if slots == 64 { Figure.report("ring.mount.read", Int(board.counters.bytesRead), "B") }
    }
  }

  /// Captures, offers, releases, stores and boots at random: after each, a fresh mount into another
  /// table says what the first table says.
  @Test func `the table stays true whatever is done to the ring`() throws {
    let board = try makeBoard(sectors: 8)
    var generator = SeededGenerator.fromEnvironment()
    let other = UnsafeMutableRawPointer.allocate(byteCount: DumpRing.tableSize, alignment: 8)
    defer { other.deallocate() }
    try board.run { () throws in
      let ring = try #require(makeRing())
      for step in 1...400 as ClosedRange<UInt32> {
        switch Int.random(in: 0..<5, using: &generator) {
        case 0:
          try ring.capture(key(step), fingerprint: UInt64.random(in: 1...3, using: &generator))
        case 1: _ = ring.makeReady(dumpsPerFingerprint: 2)
        case 2:
          if let waiting = try ring.waitingKeys.randomElement(using: &generator) {
            try ring.release(try #require(ring.find(waiting)))
          }
        case 3:
          let dump = try memoryDump(key(step), fingerprint: 9)
          if let ready = ring.makeReady(dumpsPerFingerprint: 3) {
            #expect(try store(dump, in: ready, of: ring))
          }
        default:
          if generator.chance(0.1) { ring.releaseAll() } else { _ = try ring.next(after: key(0)) }
        }
        let fresh = try #require(
          DumpRing(geometry: halFlashGeometry(), slotSize: 4096, table: other))
        #expect(fresh.facts == ring.facts, "step \(step)")
      }
    }
  }

  @Test func `ready slots and dumps of another version are reclaimed`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let ready = try #require(ring.makeReady(dumpsPerFingerprint: 3))
      for (slot, version) in [(index, 1), (ready, 3)] as [(Int, UInt8)] {
        var mark = try board.nor(at: ring.offset(of: slot), count: 16)
        #expect(mark[4] == ringFormatVersion)
        mark[4] = version
        let crc = mark.prefix(12).withUnsafeBytes { CRC32C.checksum($0) }
        for i in 0..<4 { mark[12 + i] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(i))) }
        try board.setNor(at: ring.offset(of: slot), to: mark)
      }
      let mounted = try #require(makeRing())
      #expect(mounted.states.allSatisfy { $0 == .dirty })
      #expect(try mounted.waitingKeys.isEmpty)
      #expect(mounted.makeReady(dumpsPerFingerprint: 3) != nil)
    }
  }

  @Test func `a dump of a version to come is not offered and gives way`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let place = ring.offset(of: index) + SlotLayout.dump
      var header = try board.nor(at: place, count: DumpHeader.size)
      header[4] = dumpFormatVersion + 1
      let crc = header.prefix(92).withUnsafeBytes { CRC32C.checksum($0) }
      for i in 0..<4 { header[92 + i] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(i))) }
      try board.setNor(at: place, to: header)
      let mounted = try #require(makeRing())
      #expect(mounted.slot(index).state == .dirty)
      #expect(try mounted.waitingKeys.isEmpty && mounted.find(key(1)) == nil)
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
        try old.keep(key(boot), content: [UInt8](repeating: 0xFF, count: 3000))
      }
      _ = old.makeReady(dumpsPerFingerprint: 3)
      let ring = try #require(makeRing(slotSize: after))
      #expect(ring.states.allSatisfy { $0 == .dirty })
      #expect(
        try ring.keep(key(6), content: [UInt8](repeating: 0x5A, count: Int(after) - 300)) != nil)
      let index = try #require(try ring.next(after: key(0, 0)))
      #expect(ring.slot(index).key == key(6))
      #expect(isWhole(try ring.dump(in: index)))
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
      let none = FlashGeometry()
      #expect(DumpRing(geometry: none, slotSize: 4096, table: halScratch().start) == nil)
    }
    let large = try makeBoard(sectors: 100)
    large.run { #expect(makeRing()?.slotCount == DumpRing.mostSlots) }
  }

  @Test func `every flipped bit of a ready slot's page leaves it unready, and none retires it`()
    throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let ready = try #require(ring.makeReady(dumpsPerFingerprint: 3))
      let base = Int(ring.offset(of: ready))
      for bit in 0..<256 * 8 {
        try board.flipNorBit(base * 8 + bit)
        ring.mount(ready)
        #expect(ring.slot(ready).state == .dirty, "bit \(bit)")
        try board.flipNorBit(base * 8 + bit)
      }
      ring.mount(ready)
      #expect(ring.slot(ready).state == .ready)
    }
  }

  @Test func `every flipped bit of a stored dump is noticed, and none releases or retires it`()
    throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let length = Int(SlotLayout.dump + ring.slot(index).dumpLength)
      let base = ring.offset(of: index)
      let original = try board.nor(at: base, count: 4096)
      let dump = try ring.dump(in: index)
      var unnoticed = 0
      for bit in 0..<length * 8 {
        try board.flipNorBit(Int(base) * 8 + bit)
        ring.mount(index)
        let state = ring.slot(index).state
        #expect(state == .waiting || state == .dirty, "bit \(bit)")
        if try ring.next(after: key(0)) == index, try ring.dump(in: index) != dump {
          unnoticed += 1
        }
        // Proving the dump may have left marks.
        try board.setNor(at: base, to: original)
      }
      Figure.report("bitflip.unnoticed", unnoticed)
      #expect(unnoticed == 0)
    }
  }

  @Test func `a released mark counts from an eighth of its bits on, a retired one from seven`()
    throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let index = try #require(try ring.keep(key(1)))
      let base = ring.offset(of: index)
      let original = try board.nor(at: base, count: 256)
      for bits in 0...64 {
        let bytes = (0..<8).map { byte -> UInt8 in
          let programmed = max(0, min(8, bits - byte * 8))
          return programmed == 8 ? 0 : 0xFF << UInt8(programmed)
        }
        try board.setNor(at: base, to: original)
        try board.setNor(at: base + SlotLayout.retiredMark, to: bytes)
        ring.mount(index)
        #expect(ring.slot(index).state == (bits < 56 ? .waiting : .retired), "\(bits) bits")
        try board.setNor(at: base, to: original)
        try board.setNor(at: base + SlotLayout.releasedMark, to: bytes)
        ring.mount(index)
        // From 8 bits on somebody has asked for it.
        #expect(ring.slot(index).state == (bits < 8 ? .waiting : .released), "\(bits) bits")
      }
    }
  }

  @Test func `a slot that cannot be read is dirty and the others serve`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let first = try #require(try ring.keep(key(1)))
      try ring.keep(key(2))
      let start = ring.offset(of: first)
      let before = try board.norImage()
      board.setUnreadable(start..<start + 16)
      ring.mount()
      #expect(ring.slot(first).state == .dirty)
      #expect(try board.norImage() == before)
      #expect(try ring.waitingKeys == [key(2)])
      board.setUnreadable(nil)
      ring.mount()
      #expect(try ring.waitingKeys == [key(1), key(2)])
    }
  }

  @Test func `a key in two slots is found where it waits`() throws {
    for released in 0..<2 {
      let board = try makeBoard()
      try board.run { () throws in
        let ring = try #require(makeRing())
        let both = [try #require(try ring.keep(key(1))), try #require(try ring.keep(key(1)))]
        try ring.release(both[released])
        #expect(ring.find(key(1)) == both[1 - released])
        #expect(try ring.waitingKeys == [key(1)])
      }
    }
  }

  @Test func `all waiting dumps are released even when one cannot be`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...4 as ClosedRange<UInt32> { try ring.keep(key(boot)) }
      board.inject(.programFails, atOperation: 2)
      ring.releaseAll()
      #expect(ring.count(.released) == 3)
      // The failing one got half of its mark, which is enough for the next mount.
      ring.mount()
      #expect(try ring.count(.released) == 4 && ring.waitingKeys.isEmpty)
    }
  }

  @Test func `a dump that is stored at boot reads as one that the fault path wrote`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let captured = try #require(try ring.keep(key(7), fingerprint: 5))
      let dump = try memoryDump(key(7), fingerprint: 5)
      let ready = try #require(ring.makeReady(dumpsPerFingerprint: 3))
      #expect(try store(dump, in: ready, of: ring))
      #expect(
        try board.nor(at: ring.offset(of: ready), count: 4096)
          == board.nor(at: ring.offset(of: captured), count: 4096))
      #expect(ring.facts[ready] == ring.facts[captured])
    }
  }
}

/// Stores a dump as the boot agent does.
func store(_ dump: [UInt8], in index: Int, of ring: DumpRing) throws -> Bool {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: dump.count, alignment: 8)
  defer { copy.deallocate() }
  copy.copyBytes(from: dump)
  let start = try #require(copy.baseAddress)
  return ring.store(start, length: UInt32(dump.count), in: index)
}
