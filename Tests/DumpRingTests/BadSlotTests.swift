// Sectors and pages that do not do what they are told: found, taken out of use, and gone around.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct BadSlotTests {
  @Test(arguments: [FlashFault.eraseFails, .eraseIgnored])
  func `an erase that fails once is simply repeated`(fault: FlashFault) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...6 as ClosedRange<UInt32> { try ring.keep(key(boot)) }
      try ring.release(2)
      board.inject(fault)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 2)
      #expect(board.erases(ofSectorAt: ring.offset(of: 2)) == 3)
      ring.mount()
      #expect(ring.slot(2).state == .ready && ring.slot(2).eraseCount == 2)
      #expect(ring.count(.retired) == 0)
    }
  }

  @Test(arguments: [FlashFault.programFails, .programIgnored])
  func `a ready mark that is not taken is programmed after another erase`(fault: FlashFault) throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      board.inject(fault)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 0)
      ring.mount()
      #expect(ring.slot(0).state == .ready && ring.slot(0).eraseCount == 1)
    }
  }

  @Test(arguments: [SectorHealth.fails, .lies, .weak], [4096, 8192] as [UInt32])
  func `a slot whose sector does not erase is retired for good and the rest goes on`(
    health: SectorHealth, slotSize: UInt32
  ) throws {
    // The last sector of the slot, after the first one was erased.
    let board = try makeBoard(sectors: 6 * slotSize / 4096)
    try board.run { () throws in
      let ring = try #require(makeRing(slotSize: slotSize))
      let long = [UInt8](repeating: 0x33, count: Int(slotSize) - 300)
      for boot in 1...6 as ClosedRange<UInt32> { try ring.keep(key(boot), content: long) }
      let bad = ring.offset(of: 1) + slotSize - 4096
      try board.setSector(at: bad, health)
      try ring.release(1)
      try ring.release(4)
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 4)
      #expect(ring.slot(1).state == .retired)
      #expect(board.erases(ofSectorAt: bad) == 3)
      // The next mount knows it, and asks nothing of it any more.
      let mounted = try #require(makeRing(slotSize: slotSize))
      #expect(mounted.facts == ring.facts)
      #expect(mounted.slot(1).state == .retired && mounted.find(key(2)) == nil)
      for boot in 7...30 as ClosedRange<UInt32> {
        #expect(try mounted.keep(key(boot), fingerprint: UInt64(boot)) != 1)
      }
      #expect(mounted.count(.waiting) == 5)
      #expect(board.erases(ofSectorAt: bad) == 3)
    }
  }

  @Test(arguments: [0, 5, 13, 20, 60, 127, 300, 4095] as [UInt32])
  func `a bit that is stuck at 0 is found by the read-back`(byte: UInt32) throws {
    let board = try makeBoard()
    try board.setStuckBits(at: ringOffset + byte, zeros: 0x80)
    try board.run { () throws in
      let ring = try #require(makeRing())
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == 1)
      #expect(ring.slot(0).state == .retired)
      #expect(try ring.capture(key(1)) == 1)
      ring.mount()
      #expect(ring.slot(0).state == .retired)
      #expect(try ring.waitingKeys == [key(1)])
    }
  }

  @Test func `a bad slot that cannot hold its mark is found again and costs two erases a boot`()
    throws
  {
    let board = try makeBoard()
    // Nothing in the slot can be changed any more, and foreign data stands where the mark belongs.
    try board.setNor(at: ringOffset, to: [UInt8](repeating: 0, count: 4096))
    try board.setSector(at: ringOffset, .fails)
    try board.run { () throws in
      for boot in 1...4 as ClosedRange<UInt32> {
        let ring = try #require(makeRing())
        let index = try #require(try ring.keep(key(boot)))
        #expect(index != 0)
        #expect(board.erases(ofSectorAt: ringOffset) == 2 * Int(boot))
      }
    }
  }

  @Test func `no slot is ready when none can be used`() throws {
    let board = try makeBoard(sectors: 3)
    try board.run { () throws in
      let ring = try #require(makeRing())
      for boot in 1...3 as ClosedRange<UInt32> {
        try ring.keep(key(boot))
        try board.setSector(at: ringOffset + (boot - 1) * 4096, .lies)
      }
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == nil)
      // The dump in the last slot stays until it was forwarded.
      #expect(ring.count(.retired) == 2 && ring.count(.waiting) == 1)
      ring.releaseAll()
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == nil)
      #expect(ring.states.allSatisfy { $0 == .retired })
      board.clearCounters()
      #expect(ring.makeReady(dumpsPerFingerprint: 3) == nil)
      #expect(board.counters.erases == 0)
      #expect(makeRing()?.makeReady(dumpsPerFingerprint: 3) == nil)
      #expect(board.counters.erases == 0)
    }
  }

  /// A page that does not program is no matter to an erase: the dump that boot stores finds it.
  @Test(arguments: [PageHealth.fails, .lies, .weak], [0, 256, 512] as [UInt32])
  func `a slot that does not keep a dump at boot is retired`(health: PageHealth, page: UInt32)
    throws
  {
    let board = try makeBoard()
    try board.setPage(at: ringOffset + page, health)
    try board.run { () throws in
      let ring = try #require(makeRing())
      let dump = try memoryDump(key(1), content: [UInt8](repeating: 5, count: 700))
      var tries = 0
      while let ready = ring.makeReady(dumpsPerFingerprint: 3), tries < 6 {
        tries += 1
        if try store(dump, in: ready, of: ring) { break }
      }
      #expect(tries == (page == 0 ? 1 : 2))
      #expect(ring.slot(0).state == .retired)
      #expect(ring.slot(1).state == .waiting)
      #expect(try ring.waitingKeys == [key(1)])
    }
  }

  @Test func `a store that power cuts short retires nothing`() throws {
    let dump = try memoryDump(key(1))
    let points = dump.count + 8
    for point in 1...points {
      let board = try makeBoard(seed: UInt64(point))
      try board.run { () throws in
        let ring = try #require(makeRing())
        let ready = try #require(ring.makeReady(dumpsPerFingerprint: 3))
        board.injectPowerCut(at: point, torn: .random)
        #expect(try !store(dump, in: ready, of: ring))
      }
      board.powerCycle()
      try board.run { () throws in
        let ring = try #require(makeRing())
        #expect(ring.count(.retired) == 0)
        #expect(try ring.waitingKeys.isEmpty || point > points - 12)
      }
    }
  }
}
