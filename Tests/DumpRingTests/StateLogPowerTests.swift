// No boot number comes twice and no crash is lost but the one under way, whatever the power does.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit
import Testing

/// Where a story begins.
enum LogPlace: String, CaseIterable, CustomTestStringConvertible {
  case fresh, inByte, endOfRecord, endOfHalf, backToFirstHalf

  var testDescription: String { rawValue }

  /// A board whose log stands there, with halves of one sector.
  func makeBoard(seed: UInt64) throws -> EmulatedBoard {
    let board = try DumpRingTests.makeBoard(stateSectors: 3, seed: seed)
    switch self {
    case .fresh: break
    case .inByte:
      try board.setNor(
        at: 0, to: halfImage(generation: 1, [.boots(13), .crashes(7, 5)], sectors: 1))
    case .endOfRecord:
      try board.setNor(
        at: 0,
        to: halfImage(
          generation: 1, [.boots(base: 256, 253), .crashes(7, base: 64, 30)], sectors: 1))
    case .endOfHalf, .backToFirstHalf:
      // Three records are left, so that the next boot hands over.
      let old = (1...58).map { ImageRecord.crashes(UInt64($0 % 4 + 100), UInt32($0), 2) }
      let full = halfImage(
        generation: 3, old + [.crashes(7, base: 32, 31), .boots(base: 256, 254)], sectors: 1)
      let stale = halfImage(generation: 2, [.boots(200), .crashes(7, 3)], sectors: 1)
      try board.setNor(at: 0, to: self == .endOfHalf ? full + stale : stale + full)
    }
    return board
  }

  var boots: UInt32 {
    switch self {
    case .fresh: 0
    case .inByte: 13
    case .endOfRecord: 509
    case .endOfHalf, .backToFirstHalf: 510
    }
  }

  var crashes: UInt32 {
    switch self {
    case .fresh: 0
    case .inByte: 5
    case .endOfRecord: 94
    case .endOfHalf, .backToFirstHalf: 63
    }
  }
}

extension ImageRecord {
  static func crashes(_ fingerprint: UInt64, _ base: UInt32, _ count: Int) -> ImageRecord {
    crashes(fingerprint, base: base, count)
  }
}

@Suite struct StateLogPowerTests {
  /// Boots and crashes in turn, cut at each point in each mode, some of them once more soon after.
  @Test(arguments: EmulatedBoard.allTornStates, LogPlace.allCases)
  func `no number comes twice and no crash is lost under power cuts`(
    torn: TornState, place: LogPlace
  )
    throws
  {
    var generator = SeededGenerator.fromEnvironment()
    let whole = try place.makeBoard(seed: 1)
    let points = whole.countingCutPoints { for _ in 0..<4 { Self.life() } }
    for point in 1...points {
      for second in [0, 1, 2, 7, 33] {
        for wholePage in [false, true] where isCampaign || generator.chance(0.12) {
          let board = try place.makeBoard(seed: UInt64(point * 31 + second))
          board.injectPowerCut(at: point, torn: torn, wholePage: wholePage)
          let story = Story(
            board, boots: place.boots, crashes: place.crashes, second: second, torn: torn,
            wholePage: wholePage)
          if let problem = story.problem {
            Issue.record("point \(point), then \(second), whole page \(wholePage): \(problem)")
          }
        }
      }
    }
  }

  /// A record's head that reads differently each time: of a boot or a crash, the first one or one that
  /// goes on where a full one ends.
  @Test(arguments: [false, true], [ImageRecord.boots(256), .crashes(7, 32), .crashes(8, 1)])
  func `a record whose beginning was cut is there for good or not at all`(
    wholePage: Bool, last: ImageRecord
  ) throws {
    for point in 1...34 {
      for seed in 1...8 as ClosedRange<UInt64> {
        let board = try makeBoard(stateSectors: 3, seed: seed)
        let others: [ImageRecord] = [.boots(3), .crashes(7, base: 32, 31)]
        try board.setNor(at: 0, to: halfImage(generation: 1, others + [last], sectors: 1))
        board.injectPowerCut(at: point, torn: .unstable, wholePage: wholePage)
        let place = board.run { () -> (boots: UInt32, crashes: UInt32)? in
          guard let log = StateLog(geometry: halFlashGeometry()) else { return nil }
          return (log.find(boots)?.total ?? 0, log.total(7))
        }
        let before = try #require(place)
        let story = Story(board, boots: before.boots, crashes: before.crashes)
        if let problem = story.problem {
          Issue.record("point \(point), seed \(seed): \(problem)")
        }
      }
    }
  }

  private static func life() {
    var booted = boot()
    _ = booted.log?.crash(7)
  }
}

/// Fourteen lives of a board, the power cut in one or two of them.
private struct Story {
  var problem: String?

  /// - Parameters:
  ///   - boots: counted before, and `crashes` of fingerprint 7.
  ///   - second: cut point after the first cut at which the power goes again; 0 for none.
  init(
    _ board: EmulatedBoard, boots: UInt32, crashes: UInt32, second: Int = 0,
    torn: TornState = .unstable, wholePage: Bool = false
  ) {
    var lastNumber = boots
    var numbers = 0
    var counted = crashes
    // Crashes that were under way when the power went: they may be counted or not.
    var undecided: UInt32 = 0
    var cuts = 0
    for life in 0..<14 {
      board.run {
        var booted = boot()
        let number = booted.number
        if number > 0 {
          if number <= lastNumber { problem = "boot \(number) after \(lastNumber)" }
          lastNumber = number
          numbers += 1
        }
        guard board.state == .running else { return }
        if number == 0 { problem = "no number in life \(life)" }
        // A few looks: what drifts must not drift further than what was under way.
        for _ in 0..<3 {
          let total = booted.total(7) ?? 0
          if total < counted || total > counted + undecided {
            problem = "total \(total), counted \(counted), undecided \(undecided), life \(life)"
          }
        }
        if booted.log?.crash(7, boot: number) != nil {
          counted += 1
        } else if board.state == .off {
          undecided += 1
        } else {
          problem = "crash not counted in life \(life)"
        }
      }
      guard problem == nil else { return }
      if board.state == .off {
        board.powerCycle()
        if cuts == 0, second > 0 {
          board.injectPowerCut(at: second, torn: torn, wholePage: wholePage)
        }
        cuts += 1
      }
    }
    if numbers < 14 - cuts { problem = "\(numbers) boots counted, \(cuts) cuts" }
  }
}
