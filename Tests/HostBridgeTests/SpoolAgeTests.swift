// How dumps grow old in the spool, whatever the machine's clock says.

import DumpFormat
import Foundation
import GRDB
import MartletTestKit
import Synchronization
import Testing

@testable import HostBridge

/// Two clocks in the test's hands.
final class TwoClocks: Sendable {
  private let state = Mutex((wall: 1_700_000_000.0, uptime: 0.0))

  var spoolClock: SpoolClock {
    SpoolClock(
      wall: { Date(timeIntervalSince1970: self.state.withLock { $0.wall }) },
      uptime: { .seconds(self.state.withLock { $0.uptime }) })
  }

  /// Time passes for both.
  func pass(days: Double) {
    state.withLock {
      $0.wall += days * 86_400
      $0.uptime += days * 86_400
    }
  }

  /// The wall clock jumps; or it is all that sees time pass, while the process is away.
  func jump(days: Double) { state.withLock { $0.wall += days * 86_400 } }
}

@Suite(.timeLimit(.minutes(5))) struct SpoolAgeTests {
  private static func withSpool(
    _ body: (_ open: () throws -> Spool, TwoClocks, EventLog, TemporaryDirectory) async throws ->
      Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let clocks = TwoClocks()
      let events = EventLog()
      try await body(
        { try Spool(folder: folder.path, clock: clocks.spoolClock, events: events.sink) }, clocks,
        events, folder)
    }
  }

  private static let dump = Sample(key(1, 1))

  @Test func `a dump is kept for 29 days and not longer`() async throws {
    try await Self.withSpool { open, clocks, events, folder async throws in
      let spool = try open()
      #expect(try await spool.store(Self.dump) == .stored)
      clocks.pass(days: 28.99)
      try await spool.tidy()
      #expect(try await spool.bytes(of: Self.dump.identity) == Self.dump.bytes)
      #expect(try await spool.report().oldestAgeSeconds ?? 0 > 28.9 * 86_400)
      clocks.pass(days: 0.02)
      try await spool.tidy()
      #expect(try await spool.bytes(of: Self.dump.identity) == nil)
      #expect(try await spool.standing(of: Self.dump) == .known(.expired))
      #expect(events.all(.dumpExpired).map(\.dump) == ["1-1"])
      #expect(!folder.holds(Self.dump.bytes[200..<232]))
    }
  }

  @Test(arguments: [400.0, -400.0, 20_000.0])
  func `a clock that jumps while the bridge runs makes nothing old`(days: Double) async throws {
    try await Self.withSpool { open, clocks, _, _ async throws in
      let spool = try open()
      #expect(try await spool.store(Self.dump) == .stored)
      clocks.jump(days: days)
      try await spool.tidy()
      clocks.pass(days: 28)
      try await spool.tidy()
      #expect(try await spool.bytes(of: Self.dump.identity) != nil)
      clocks.pass(days: 1)
      try await spool.tidy()
      #expect(try await spool.standing(of: Self.dump) == .known(.expired))
    }
  }

  @Test(arguments: [400.0, -400.0])
  func `a clock that is wrong after a restart makes nothing old until it is set`(
    days: Double
  ) async throws {
    try await Self.withSpool { open, clocks, _, _ async throws in
      do {
        let spool = try open()
        #expect(try await spool.store(Self.dump) == .stored)
      }
      clocks.jump(days: days)
      // Over and over, as a service manager would.
      for _ in 0..<40 {
        let spool = try open()
        clocks.pass(days: 0.01)
        try await spool.tidy()
      }
      let spool = try open()
      #expect(try await spool.bytes(of: Self.dump.identity) != nil)
      // The network sets it.
      clocks.jump(days: -days)
      try await spool.tidy()
      clocks.pass(days: 28)
      try await spool.tidy()
      #expect(try await spool.bytes(of: Self.dump.identity) != nil)
      clocks.pass(days: 1)
      try await spool.tidy()
      #expect(try await spool.bytes(of: Self.dump.identity) == nil)
    }
  }

  @Test func `a long absence is believed when the clock has gone steadily for a day`() async throws
  {
    try await Self.withSpool { open, clocks, _, _ async throws in
      do {
        let spool = try open()
        #expect(try await spool.store(Self.dump) == .stored)
      }
      clocks.jump(days: 40)
      let spool = try open()
      for _ in 0..<23 {
        clocks.pass(days: 1.0 / 24)
        try await spool.tidy()
      }
      // The uploader has that day.
      #expect(try await spool.bytes(of: Self.dump.identity) != nil)
      clocks.pass(days: 2.0 / 24)
      try await spool.tidy()
      #expect(try await spool.standing(of: Self.dump) == .known(.expired))
    }
  }

  @Test func `short absences add up`() async throws {
    try await Self.withSpool { open, clocks, _, _ async throws in
      do {
        let spool = try open()
        #expect(try await spool.store(Self.dump) == .stored)
      }
      for _ in 0..<40 {
        clocks.jump(days: 0.75)
        _ = try await open().tidy()
      }
      let spool = try open()
      #expect(try await spool.standing(of: Self.dump) == .known(.expired))
    }
  }

  @Test func `time never goes back and never runs ahead of what is known, for any clock`() {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<300 {
      var wall = 1_700_000_000.0
      var uptime = 0.0
      var timeline = SpoolTimeline(saved: nil, wall: wall, uptime: uptime)
      var truth = 0.0
      var last = 0.0
      for _ in 0..<60 {
        switch Int.random(in: 0...3, using: &generator) {
        case 0: wall += Double(Int.random(in: -1_000_000_000...1_000_000_000, using: &generator))
        case 1:
          let away = Double(Int.random(in: 0...500_000, using: &generator))
          wall += away
          truth += away
          uptime = Double(Int.random(in: 0...1_000, using: &generator))
          timeline = SpoolTimeline(saved: timeline.saved, wall: wall, uptime: uptime)
        default:
          // Less than the day after which a steady clock is believed.
          let passed = Double(Int.random(in: 0...1_300, using: &generator))
          wall += passed
          uptime += passed
          truth += passed
        }
        let time = timeline.read(wall: wall, uptime: uptime)
        #expect(time >= last, "seed \(generator.seed)")
        // A wrong clock may claim up to a day at each restart; 60 turns, some of them restarts.
        #expect(time <= truth + 60 * SpoolTimeline.day, "seed \(generator.seed)")
        last = time
      }
    }
  }
}
