// Consent that ended while the board was away: what the spool held of it is gone within a minute.

import DumpFormat
import Foundation
import MartletTestKit
import ServiceAPI
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct ConsentKeeperTests {
  /// A spool, a service and the keeper between them, in a time of their own.
  struct Bench {
    let folder: TemporaryDirectory
    let spool: Spool
    let service = FakeService()
    let clock = ManualClock()
    let events = EventLog()
    let log = LogLines()
    let keeper: ConsentKeeper

    init(_ folder: TemporaryDirectory) throws {
      self.folder = folder
      // Less to search than the standard one has put by.
      spool = try Spool(folder: folder.path, limits: SpoolLimits(bytes: 2 << 20))
      keeper = ConsentKeeper(
        spool: spool, service: service, clock: BridgeClock(clock), log: log.logger,
        events: events.sink)
    }

    func put(_ dumps: Sample...) async throws {
      for dump in dumps { #expect(try await spool.store(dump) == .stored) }
      // In the database and not only in its log.
      try await spool.connected().writeWithoutTransaction { db in _ = try db.checkpoint(.full) }
    }

    func runKeeper(_ body: () async throws -> Void) async throws {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await keeper.run() }
        defer { group.cancelAll() }
        try await body()
      }
    }

    /// Whether checksums of a dump's prologue, or its content, are in the folder, in whatever file.
    func holds(_ dump: Sample) -> Bool {
      folder.holds(dump.bytes[92..<104])
        || stride(from: 144, to: dump.bytes.count - 24, by: 150).contains {
          folder.holds(dump.bytes[$0..<$0 + 24])
        }
    }
  }

  private func withBench(_ body: (Bench) async throws -> Void) async throws {
    try await TemporaryDirectory.with { try await body(try Bench($0)) }
  }

  private let first = Sample(key(1, 1), device: "11")
  private let second = Sample(key(2, 1), device: "11", size: 700)
  private let other = Sample(key(1, 1), device: "22")

  @Test func `a revocation takes the dumps of a board that is away within a minute`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first, second, other)
      try await bench.spool.settle(second.identity, as: .rejected, note: "not sealed")
      try await bench.runKeeper { () async throws in
        await bench.clock.waitForSleeper()
        #expect(bench.service.now.consentQuestions.count == 1)
        #expect(bench.events.all(.dumpPurged).isEmpty)
        let revoked = first.identity.device
        bench.service.set {
          $0.consent = { device in
            device == revoked
              ? .init(isKnown: true, allowed: false, epoch: 7)
              : .init(isKnown: true, allowed: true, epoch: 1)
          }
        }
        let revokedAt = bench.clock.now.offset
        bench.clock.advance(by: .seconds(30))
        let purged = await bench.events.next(.dumpPurged)
        #expect(bench.clock.now.offset - revokedAt <= .seconds(60))
        let bytes = first.bytes.count + second.bytes.count
        #expect(purged?.device == revoked)
        #expect(purged?.count == 2)
        #expect(purged?.size == bytes)
        await bench.clock.waitForSleeper()
        #expect(
          bench.log.all(from: .warning) == [
            "device 111111111111: consent revoked (epoch 7): purged 2 spooled dumps, \(bytes) bytes:"
              + " 1-1, 2-1"
          ])
      }
      #expect([first, second, other].map(bench.holds) == [false, false, true])
      #expect(try await bench.spool.standing(of: first) == .known(.purged))
      #expect(try await bench.spool.bytes(of: other.identity) == other.bytes)
    }
  }

  @Test func `a new consent takes the dumps of the one before`() async throws {
    try await withBench { bench async throws in
      let new = Sample(key(3, 1), device: "11", epoch: 2)
      try await bench.put(first, second, new)
      bench.service.set { $0.consent = { _ in .init(isKnown: true, allowed: true, epoch: 2) } }
      #expect(await bench.keeper.round() == nil)
      #expect(try await bench.spool.standing(of: first) == .known(.purged))
      #expect(try await bench.spool.standing(of: second) == .known(.purged))
      #expect(try await bench.spool.standing(of: new) == .known(.stored))
      #expect(bench.events.all(.dumpPurged).map(\.count) == [2])
    }
  }

  @Test func `a service that does not know a device takes nothing`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first)
      bench.service.set { $0.consent = { _ in .init(isKnown: false, allowed: false, epoch: 0) } }
      #expect(await bench.keeper.round() == nil)
      #expect(try await bench.spool.standing(of: first) == .known(.stored))
      #expect(bench.events.all(.dumpPurged).isEmpty)
    }
  }

  @Test func `a dump that came while the service was asked waits for the next answer`()
    async throws
  {
    try await withBench { bench async throws in
      try await bench.put(first)
      let holdings = try await bench.spool.holdings()
      let new = Sample(key(3, 1), device: "11", epoch: 2)
      try await bench.put(new)
      let purged = try await bench.spool.purge(
        device: first.identity.device, exceptEpoch: nil, of: holdings)
      #expect(purged.keys == [first.identity.key])
      #expect(try await bench.spool.standing(of: new) == .known(.stored))
    }
  }

  @Test func `devices without bytes are not asked about, more than 256 in several questions`()
    async throws
  {
    try await withBench { bench async throws in
      for number in 0..<260 {
        try await bench.put(
          Sample(key(UInt32(number), 1), device: "11", size: 20, deviceNumber: number))
      }
      try await bench.put(other)
      try await bench.spool.settle(other.identity, as: .uploaded)
      #expect(await bench.keeper.round() == nil)
      let questions = bench.service.now.consentQuestions
      #expect(questions.map(\.count) == [256, 4])
      #expect(Set(questions.joined()).count == 260)
      #expect(!questions.joined().contains(other.identity.device))
    }
  }

  @Test func `a service that is away is asked again, and what it says then is done`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first)
      bench.service.set {
        $0.consentFailure = .unreachable
        $0.consent = { _ in .init(isKnown: true, allowed: false, epoch: 2) }
      }
      try await bench.runKeeper { () async throws in
        // Long enough for every pause to reach its longest.
        for _ in 0..<200 {
          await bench.clock.waitForSleeper()
          bench.clock.advance(by: .seconds(1))
        }
        #expect(bench.service.now.consentQuestions.count > 5)
        #expect(bench.log.all(from: .warning).count == 1)
        #expect(try await bench.spool.standing(of: first) == .known(.stored))
        bench.service.set { $0.consentFailure = nil }
        let backAt = bench.clock.now.offset
        while bench.events.all(.dumpPurged).isEmpty {
          await bench.clock.waitForSleeper()
          bench.clock.advance(by: .seconds(1))
        }
        #expect(bench.clock.now.offset - backAt <= .seconds(60))
      }
    }
  }

  @Test func `a service that asks for quiet gets it`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first)
      bench.service.set {
        $0.consentFailure = ServiceFailure(
          status: 503, code: "Busy", message: "later", retryAfter: .seconds(300))
      }
      try await bench.runKeeper { () async throws in
        await bench.clock.waitForSleeper()
        bench.clock.advance(by: .seconds(299))
        #expect(bench.service.now.consentQuestions.count == 1)
        bench.clock.advance(by: .seconds(1))
        while bench.service.now.consentQuestions.count < 2 { await Task.yield() }
      }
    }
  }

  @Test func `an answer for fewer devices than were asked about is not believed`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first, other)
      bench.service.set {
        $0.consent = { _ in .init(isKnown: true, allowed: false, epoch: 2) }
        $0.mostConsents = 1
      }
      #expect(await bench.keeper.round()?.code == ServiceFailure.notUnderstood)
      #expect(try await bench.spool.standing(of: first) == .known(.stored))
    }
  }

  @Test func `another dump under a purged one's name is still another`() async throws {
    try await withBench { bench async throws in
      try await bench.put(first)
      try await bench.spool.purge(device: first.identity.device)
      let impostor = Sample(first.identity.key, device: "11", size: 333)
      #expect(try await bench.spool.standing(of: impostor) == .conflict)
      #expect(try await bench.spool.store(impostor) == .conflict)
      #expect(try await bench.spool.store(first) == .stored)
      #expect(try await bench.spool.bytes(of: first.identity) == nil)
    }
  }
}
