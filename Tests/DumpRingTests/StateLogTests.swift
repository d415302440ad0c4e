// The state log as it is used: boots and crashes counted, looked up, listed, carried over and forgotten.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct StateLogTests {
  @Test func `boots are numbered from one`() throws {
    let board = try makeBoard()
    board.run {
      // Over the end of a record, and of the next.
      for number in 1...600 as ClosedRange<UInt32> { #expect(boot().number == number) }
    }
    #expect(board.counters.conflicts == 0)
    #expect(board.counters.erases == 2)
  }

  @Test func `each count within one boot is a boot more`() throws {
    let board = try makeBoard()
    board.run {
      var log = boot().log
      for number in 2...20 as ClosedRange<UInt32> { #expect(log?.countBoot() == number) }
      #expect(boot().number == 21)
    }
  }

  @Test func `crashes are counted by fingerprint, over more than 32 and over resets`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      for step in 1...150 as ClosedRange<UInt32> {
        var log = try #require(boot().log)
        #expect(log.total(7) == step - 1 && log.total(8) == (step - 1) / 5)
        #expect(log.crash(7, boot: step) == step - 1)
        if step % 5 == 0 { #expect(log.crash(8, boot: step) == step / 5 - 1) }
        #expect(log.total(7) == step && log.total(9) == 0 && log.find(name(9)) == nil)
      }
      let booted = boot()
      #expect(booted.number == 151)
      #expect(booted.log?.crashes.map(\.fingerprint).sorted() == [7, 8])
      #expect(booted.total(7) == 150)
    }
    #expect(board.counters.conflicts == 0)
  }

  @Test func `a record keeps when its crash came first, and the last one when it was begun`() throws
  {
    let board = try makeBoard()
    try board.run { () throws in
      var log = try #require(boot().log)
      for step in 1...40 as ClosedRange<UInt32> {
        #expect(log.crash(7, boot: 100 + step, uptime: 1000 + step) == step - 1)
      }
      var record = InlineArray<16, UInt32>(repeating: 0)
      withUnsafeMutablePointer(to: &record) { pointer in
        let bytes = UnsafeMutableRawPointer(pointer)
        #expect(log.nextCrash(after: 0, bytes)?.total == 40)
        #expect(bytes.load64(at: StateLog.At.fingerprint) == 7)
        #expect(bytes.load32(at: StateLog.At.firstBoot) == 101)
        #expect(bytes.load32(at: StateLog.At.firstUptime) == 1001)
        // The second record was begun with the 33rd crash.
        #expect(bytes.load32(at: StateLog.At.lastBoot) == 133)
        #expect(bytes.load32(at: StateLog.At.lastUptime) == 1033)
      }
    }
  }

  @Test func `a crash costs one byte of flash, and the fault path erases nothing`() throws {
    let board = try makeBoard()
    var log = try #require(board.run { boot().log })
    board.runFault { #expect(log.crash(7) == 0) }
    board.clearCounters()
    _ = board.warmReset()
    board.runFault { #expect(log.crash(7) == 1) }
    #expect(board.counters.programs == 1 && board.counters.bytesProgrammed == 1)
    #expect(board.counters.contextViolations == 0 && board.counters.erases == 0)
  }

  @Test(arguments: [2, 1])
  func `a full half hands over to the other and back, and nothing is lost`(sectors: Int) throws {
    let board = try makeBoard(stateSectors: UInt32(2 * sectors + 1))
    let crashes = 12_000
    // Records fill up with the crashes of 8 fingerprints.
    for step in 0..<crashes {
      let told = board.run { Self.life(UInt64(step % 8 + 1)) }
      #expect(told.number == UInt32(step + 1))
      #expect(told.crash == UInt32(step / 8))
    }
    let log = try #require(board.run { boot().log })
    board.run { #expect(log.crashes.map(\.total) == [UInt32](repeating: 1500, count: 8)) }
    #expect(board.erases(ofSectorAt: 0) >= 2)
    #expect(board.erases(ofSectorAt: 4096 * UInt32(sectors)) >= 2)
    // The identity's sector is not the log's.
    #expect(board.erases(ofSectorAt: 4096 * 2 * UInt32(sectors)) == 0)
    #expect(board.counters.conflicts == 0)
  }

  /// A boot and a crash, and what they were told.
  private static func life(_ fingerprint: UInt64) -> (number: UInt32, crash: UInt32?) {
    var booted = boot()
    return (booted.number, booted.log?.crash(fingerprint, boot: booted.number))
  }

  @Test func `64 fingerprints are kept in halves of 8 KiB, the oldest is dropped first`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      for fingerprint in 1...200 as ClosedRange<UInt64> {
        var log = try #require(boot().log)
        #expect(log.crash(fingerprint, boot: UInt32(fingerprint)) == 0)
        #expect(log.crash(fingerprint) == 1)
        let known = log.crashes
        #expect(known.count >= min(64, Int(fingerprint)))
        // The newest without a gap.
        let oldest = fingerprint - UInt64(known.count) + 1
        #expect(known.map(\.fingerprint) == Array(oldest...fingerprint))
        #expect(known.allSatisfy { $0.total == 2 })
      }
      #expect(boot().number == 201)
    }
  }

  @Test func `a fingerprint that still crashes is not among the oldest`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      for fingerprint in 2...300 as ClosedRange<UInt64> {
        var log = try #require(boot().log)
        #expect(log.crash(fingerprint) == 0)
        // A new record every 32 crashes puts it among the newer ones.
        for _ in 0..<2 { #expect(log.crash(1) != nil) }
      }
      #expect(boot().total(1) == 598)
    }
  }

  @Test func `one-sector halves keep fewer fingerprints and lose no boot`() throws {
    for stateSectors in [3, 4] as [UInt32] {
      let board = try makeBoard(stateSectors: stateSectors)
      try board.run { () throws in
        for fingerprint in 1...150 as ClosedRange<UInt64> {
          let booted = boot()
          #expect(booted.number == UInt32(fingerprint))
          var log = try #require(booted.log)
          #expect(log.crash(fingerprint) == 0)
          #expect(log.crashes.count >= min(32, Int(fingerprint)))
        }
      }
    }
  }

  @Test(arguments: [0, 0x55, 0xAA, nil] as [UInt8?])
  func `foreign data in the state area is replaced and counted from one`(fill: UInt8?) throws {
    let board = try makeBoard()
    var generator = SeededGenerator.fromEnvironment()
    try board.setNor(
      at: 0, to: fill.map { [UInt8](repeating: $0, count: 4 * 4096) } ?? generator.bytes(4 * 4096))
    try board.run { () throws in
      for number in 1...3 as ClosedRange<UInt32> {
        var booted = boot()
        #expect(booted.number == number)
        #expect(booted.log?.crash(5) == number - 1)
      }
    }
  }

  @Test func `the boot counter of an older version gives way`() throws {
    let board = try makeBoard()
    var old = [UInt8](repeating: 0xFF, count: 4096)
    old.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      base.store32(0x3154_424D, at: 0)
      base.store32(12, at: 4)
      base.store32(CRC32C.checksum(base, count: 8), at: 8)
      raw[16] = 0xF0
    }
    try board.setNor(at: 0, to: old + old)
    board.run { for number in 1...3 as ClosedRange<UInt32> { #expect(boot().number == number) } }
  }

  @Test func `of two whole halves the one with the higher generation counts`() throws {
    for (first, second, number) in [(3, 4, 21), (5, 4, 11)] as [(UInt32, UInt32, UInt32)] {
      let board = try makeBoard()
      try board.setNor(at: 0, to: halfImage(generation: first, [.boots(10), .crashes(7, 3)]))
      try board.setNor(at: 8192, to: halfImage(generation: second, [.boots(20), .crashes(7, 4)]))
      board.run {
        let booted = boot()
        #expect(booted.number == number)
        #expect(booted.total(7) == (first > second ? 3 : 4))
      }
    }
  }

  @Test func `records on flash are read as the format says`() throws {
    let board = try makeBoard()
    let records: [ImageRecord] = [
      .boots(256), .crashes(7, 32), .boots(base: 256, 5), .crashes(8, base: 100, 2),
      .crashes(7, base: 32, 1),
    ]
    try board.setNor(at: 0, to: halfImage(generation: 1, records))
    try board.run { () throws in
      let log = try #require(StateLog(geometry: halFlashGeometry()))
      #expect(log.find(boots)?.total == 261)
      let newest = try #require(log.find(name(7)))
      #expect(newest.offset == 320)
      #expect(log.find(name(7))?.total == 33)
      #expect(log.find(name(8))?.total == 102)
      #expect(log.crashes.map(\.fingerprint) == [8, 7])
      #expect(log.crashes.map(\.total) == [102, 33])
      #expect(boot().number == 262)
    }
  }

  @Test func `a tally counts a crash from half of its byte on`() throws {
    let board = try makeBoard()
    for bits in 0...8 {
      var record = ImageRecord.crashes(7, 3)
      record.bits += bits
      try board.setNor(at: 0, to: halfImage(generation: 1, [.boots(1), record]))
      try board.run { () throws in
        var log = try #require(boot().log)
        #expect(log.total(7) == (bits < 4 ? 3 : 4), "\(bits) bits")
        #expect(log.crash(7) == (bits < 4 ? 3 : 4), "\(bits) bits")
        #expect(log.total(7) == (bits < 4 ? 4 : 5), "\(bits) bits")
      }
    }
  }

  @Test func `a damaged record counts for nothing and the one before it stands`() throws {
    let board = try makeBoard()
    for byte in 0..<32 {
      try board.setNor(
        at: 0, to: halfImage(generation: 1, [.boots(9), .crashes(7, 3), .crashes(7, base: 90, 2)]))
      try board.flipNorBit((3 * 64 + byte) * 8 + byte % 8)
      try board.run { () throws in
        var log = try #require(boot().log)
        #expect(log.total(7) == 3)
        #expect(log.crash(7) == 3)
        #expect(log.total(7) == 4)
        #expect(boot().total(7) == 4)
      }
    }
  }

  @Test(arguments: [FlashFault.programFails, .programIgnored])
  func `a record that flash does not keep is skipped`(fault: FlashFault) throws {
    let board = try makeBoard()
    try board.run { () throws in
      var log = try #require(boot().log)
      let before = log.used
      board.inject(fault)
      #expect(log.crash(7) == 0)
      #expect(log.used == before + 2)
      #expect(log.crash(7) == 1)
      let after = boot()
      #expect(after.number == 2)
      #expect(after.total(7) == 2)
    }
  }

  @Test(arguments: [PageHealth.fails, .lies, .weak])
  func `records go around a page that does not program`(health: PageHealth) throws {
    let board = try makeBoard()
    try board.run { () throws in
      var log = try #require(boot().log)
      try board.setPage(at: 256, health)
      for fingerprint in 1...10 as ClosedRange<UInt64> {
        for step in 0..<2 as Range<UInt32> { #expect(log.crash(fingerprint) == step) }
      }
      let after = try #require(boot().log)
      #expect(after.crashes.map(\.fingerprint) == Array(1...10))
      #expect(after.crashes.allSatisfy { $0.total == 2 })
    }
  }

  @Test func `a full log counts no new fingerprint and still counts the known ones`() throws {
    let board = try makeBoard(stateSectors: 3)
    try board.run { () throws in
      var log = try #require(boot().log)
      var kept: UInt64 = 0
      while log.crash(kept + 1) != nil { kept += 1 }
      #expect(kept == 62)
      for fingerprint in 1...kept { #expect(log.crash(fingerprint) == 1) }
      #expect(log.crash(1000) == nil)
      let after = boot()
      #expect(after.number == 2)
      #expect(after.total(kept) == 2)
    }
  }

  @Test func `a state area that is too small makes no log`() throws {
    let board = try makeBoard(stateSectors: 2)
    board.run {
      #expect(StateLog(geometry: halFlashGeometry()) == nil)
      #expect(StateLog(geometry: FlashGeometry()) == nil)
    }
    #expect(board.counters.erases == 0)
  }

  @Test func `what a boot reads of a full log is bounded`() throws {
    let board = try makeBoard()
    let records = (1...122).map { ImageRecord.crashes(UInt64($0), 1) }
    try board.setNor(at: 0, to: halfImage(generation: 1, [.boots(3)] + records))
    board.run {
      board.clearCounters()
      #expect(boot().number == 4)
      Figure.report("statelog.boot.read", Int(board.counters.bytesRead), "B")
      #expect(board.counters.bytesRead < 8192)
    }
  }
}
