// The state log when flash cannot be read or written: no number that is wrong, nothing lost.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

@Suite struct StateLogFaultTests {
  private static let story: [ImageRecord] = [
    .boots(256), .crashes(7, 32), .boots(base: 256, 5), .crashes(8, 4), .crashes(7, base: 32, 2),
  ]

  private func makeFilled() throws -> EmulatedBoard {
    let board = try makeBoard()
    try board.setNor(at: 0, to: halfImage(generation: 1, Self.story))
    return board
  }

  @Test func `flash that cannot be read gives no number and is not erased`() throws {
    let board = try makeFilled()
    board.run {
      board.setUnreadable(0..<16384)
      #expect(boot().number == 0)
      #expect(board.counters.erases == 0)
      board.setUnreadable(nil)
      #expect(boot().number == 262)
    }
  }

  @Test func `flash that cannot be written gives no number`() throws {
    let board = try makeFilled()
    try board.run { () throws in
      for page in stride(from: 0 as UInt32, to: 16384, by: 256) {
        try board.setPage(at: page, .fails)
      }
      #expect(boot().number == 0)
      for page in stride(from: 0 as UInt32, to: 16384, by: 256) {
        try board.setPage(at: page, .good)
      }
      #expect(boot().number == 262)
    }
  }

  /// Each read of a boot and two crashes fails once: what is counted is right or is not counted.
  @Test func `a read that fails once gives no wrong count`() throws {
    let whole = try makeFilled()
    whole.clearCounters()
    whole.run { _ = Self.bootAndCrash() }
    let reads = Int(whole.counters.reads)
    for read in 1...reads {
      let board = try makeFilled()
      try board.run { () throws in
        board.inject(.readFails, atOperation: read)
        let told = Self.bootAndCrash()
        #expect([0, 262].contains(told.number), "read \(read)")
        #expect([nil, 34].contains(told.seven), "read \(read)")
        #expect([nil, 4].contains(told.eight), "read \(read)")
        board.inject(.readFails, atOperation: 0)
        let after = boot()
        #expect(after.number == (told.number == 0 ? 262 : 263), "read \(read)")
        #expect(after.total(7) == (told.seven == nil ? 34 : 35), "read \(read)")
        #expect(after.total(8) == (told.eight == nil ? 4 : 5), "read \(read)")
      }
    }
  }

  /// The same while the log is carried into the other half.
  @Test func `a read that fails once in a hand-over loses nothing`() throws {
    func makeFull() throws -> EmulatedBoard {
      let board = try makeBoard(stateSectors: 3)
      let filler = [ImageRecord](repeating: .crashes(8, 4), count: 57)
      let records = [.boots(256), .boots(base: 256, 5)] + filler + [.crashes(7, base: 32, 2)]
      try board.setNor(at: 0, to: halfImage(generation: 1, records, sectors: 1))
      return board
    }
    let whole = try makeFull()
    whole.clearCounters()
    whole.run { _ = Self.bootAndCrash() }
    #expect(whole.erases(ofSectorAt: 4096) == 1)
    let reads = Int(whole.counters.reads)
    for read in 1...reads {
      let board = try makeFull()
      try board.run { () throws in
        board.inject(.readFails, atOperation: read)
        let told = Self.bootAndCrash()
        #expect([0, 262].contains(told.number), "read \(read)")
        board.inject(.readFails, atOperation: 0)
        let after = boot()
        #expect(after.number == (told.number == 0 ? 262 : 263), "read \(read)")
        #expect(after.total(7) == (told.seven == nil ? 34 : 35), "read \(read)")
        #expect(after.total(8) == (told.eight == nil ? 4 : 5), "read \(read)")
      }
    }
  }

  /// A boot, then a crash of a known fingerprint each; what they were told.
  private static func bootAndCrash() -> (number: UInt32, seven: UInt32?, eight: UInt32?) {
    var booted = boot()
    return (booted.number, booted.log?.crash(7), booted.log?.crash(8))
  }

  @Test func `a half that cannot be erased leaves the log where it is`() throws {
    let board = try makeBoard(stateSectors: 3)
    let filler = [ImageRecord](repeating: .crashes(8, 4), count: 58)
    try board.setNor(
      at: 0, to: halfImage(generation: 1, [.boots(200), .crashes(7, 2)] + filler, sectors: 1))
    try board.setSector(at: 4096, .fails)
    board.run {
      for number in 201...230 as ClosedRange<UInt32> { #expect(boot().number == number) }
      #expect(boot().total(7) == 2)
    }
  }
}
