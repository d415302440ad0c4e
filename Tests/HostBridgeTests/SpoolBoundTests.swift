// The spool's bounds: which dump goes when there is no room, and when one is too old.

import DumpFormat
import Foundation
import GRDB
import MartletTestKit
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct SpoolBoundTests {
  /// A dump whose fingerprint is the test's choice; all are of one size.
  private static func dump(_ boot: UInt32, _ fingerprint: UInt8, device: String = "11") -> Sample {
    Sample(key(boot, 1), device: device, size: 1_000, fingerprint: fingerprint)
  }

  private static let size = dump(1, 1).bytes.count

  private static func withSpool(
    room: Int, _ body: (Spool, EventLog, TemporaryDirectory) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let events = EventLog()
      let spool = try Spool(
        folder: folder.path, limits: SpoolLimits(bytes: room * size + 10), events: events.sink)
      try await body(spool, events, folder)
    }
  }

  @Test func `surplus of one fingerprint goes first, and its first stays`() async throws {
    try await Self.withSpool(room: 6) { spool, events, folder async throws in
      // The oldest is of another kind; four of kind 1 are one more than are wanted.
      for dump in [Self.dump(1, 2)] + (2...5).map({ Self.dump($0, 1) }) + [Self.dump(6, 3)] {
        #expect(try await spool.store(dump) == .stored)
      }
      #expect(try await spool.store(Self.dump(7, 4)) == .stored)
      #expect(events.all(.dumpEvicted).map(\.dump) == ["3-1"])
      #expect(events.all(.dumpEvicted).first?.reason?.contains("surplus") == true)
      #expect(try await spool.standing(of: Self.dump(3, 1)) == .known(.evicted))
      #expect(spool.condition.kind == .full)
      #expect(!folder.holds(Self.dump(3, 1).bytes[200..<232]))
      #expect(folder.holds(Self.dump(4, 1).bytes[200..<232]))
    }
  }

  @Test func `then the oldest that is not the first of several goes`() async throws {
    try await Self.withSpool(room: 4) { spool, events, _ async throws in
      for dump in [Self.dump(1, 1), Self.dump(2, 1), Self.dump(3, 2), Self.dump(4, 3)] {
        #expect(try await spool.store(dump) == .stored)
      }
      for boot in 5...7 as ClosedRange<UInt32> {
        #expect(try await spool.store(Self.dump(boot, UInt8(boot))) == .stored)
      }
      // The first of kind 1 is pinned while there is another of its kind.
      #expect(events.all(.dumpEvicted).map(\.dump) == ["2-1", "1-1", "3-1"])
    }
  }

  @Test func `the first of a boot loop outlives everything that follows it`() async throws {
    try await Self.withSpool(room: 5) { spool, events, _ async throws in
      for boot in 1...200 as ClosedRange<UInt32> {
        #expect(try await spool.store(Self.dump(boot, 1)) == .stored)
      }
      let kept = try await spool.waiting(of: Self.dump(1, 1).identity.device, limit: 9)
      #expect(kept.map(\.identity.key.bootCount) == [1, 197, 198, 199, 200])
      #expect(events.all(.dumpEvicted).count == 195)
    }
  }

  @Test func `a new dump that would itself be the next to go stays on the board`() async throws {
    try await Self.withSpool(room: 1) { spool, events, _ async throws in
      #expect(try await spool.store(Self.dump(1, 1)) == .stored)
      #expect(try await spool.store(Self.dump(2, 1)) == .full)
      #expect(spool.condition.kind == .full)
      #expect(events.all(.dumpEvicted).isEmpty)
      #expect(try await spool.standing(of: Self.dump(2, 1)) == .unknown)
      #expect(try await spool.bytes(of: Self.dump(1, 1).identity) == Self.dump(1, 1).bytes)
      // Another kind of crash is worth more than the second of a kind, and takes its place.
      #expect(try await spool.store(Self.dump(3, 2)) == .stored)
      #expect(events.all(.dumpEvicted).map(\.dump) == ["1-1"])
    }
  }

  @Test func `a dump larger than the spool evicts nothing`() async throws {
    try await Self.withSpool(room: 2) { spool, events, _ async throws in
      #expect(try await spool.store(Self.dump(1, 1)) == .stored)
      #expect(try await spool.store(Sample(key(2, 1), size: 9_000)) == .full)
      #expect(events.all(.dumpEvicted).isEmpty)
      #expect(try await spool.bytes(of: Self.dump(1, 1).identity) != nil)
    }
  }

  @Test func `what the service will never take goes before anything that waits`() async throws {
    try await Self.withSpool(room: 3) { spool, events, _ async throws in
      for boot in 1...3 as ClosedRange<UInt32> {
        #expect(try await spool.store(Self.dump(boot, UInt8(boot))) == .stored)
      }
      try await spool.settle(Self.dump(3, 3).identity, as: .rejected, note: "not a dump")
      #expect(try await spool.store(Self.dump(4, 4)) == .stored)
      #expect(events.all(.dumpEvicted).map(\.dump) == ["3-1"])
    }
  }

  @Test func `an evicted dump comes back from its board when there is room`() async throws {
    try await Self.withSpool(room: 2) { spool, _, _ async throws in
      let first = Self.dump(1, 1)
      for boot in 1...3 as ClosedRange<UInt32> {
        #expect(try await spool.store(Self.dump(boot, UInt8(boot))) == .stored)
      }
      #expect(try await spool.standing(of: first) == .known(.evicted))
      try await spool.settle(Self.dump(2, 2).identity, as: .uploaded)
      #expect(spool.condition.kind == .ok)
      #expect(try await spool.standing(of: first) == .unknown)
      #expect(try await spool.store(first) == .stored)
      #expect(try await spool.bytes(of: first.identity) == first.bytes)
    }
  }

  @Test func `the rule of eviction is the ring's, for any mixture`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<10 {
      let room = Int.random(in: 1...7, using: &generator)
      var model: [Sample] = []
      var boot: UInt32 = 0
      try await Self.withSpool(room: room) { spool, _, _ async throws in
        for _ in 0..<30 {
          boot += 1
          let device = ["11", "22"][Int.random(in: 0...1, using: &generator)]
          let new = Self.dump(boot, UInt8(Int.random(in: 1...3, using: &generator)), device: device)
          var next = model + [new]
          if next.count > room, let victim = RingRule.victim(of: next) { next.remove(at: victim) }
          let isTaken = next.contains { $0.identity == new.identity }
          #expect(
            try await spool.store(new) == (isTaken ? .stored : .full), "seed \(generator.seed)")
          if isTaken { model = next }
        }
        for device in ["11", "22"] {
          let id = String(repeating: device, count: 64)
          #expect(
            try await spool.waiting(of: id, limit: 99).map(\.identity)
              == model.map(\.identity).filter { $0.device == id }, "seed \(generator.seed)")
        }
      }
    }
  }
}

/// The ring's rule as docs/formats/ring.md has it, on a list in the order of arrival.
private enum RingRule {
  static func victim(of dumps: [Sample], keep: Int = 3) -> Int? {
    dumps.indices.min { (rank($0, dumps, keep), $0) < (rank($1, dumps, keep), $1) }
  }

  private static func rank(_ index: Int, _ dumps: [Sample], _ keep: Int) -> Int {
    let same = dumps.indices.filter {
      dumps[$0].identity.device == dumps[index].identity.device
        && dumps[$0].fingerprint == dumps[index].fingerprint
    }
    if same.first == index { return same.count > 1 ? 4 : 3 }
    return same.count > keep ? 2 : 3
  }
}
