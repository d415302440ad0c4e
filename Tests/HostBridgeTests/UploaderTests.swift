// Each answer of the service, and the pauses between attempts.

import DumpFormat
import MartletTestKit
import ServiceAPI
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct UploaderTests {
  /// An uploader with everything around it under the test's control.
  struct Bench {
    let spool: Spool
    let service = FakeService()
    let clock = ManualClock()
    let events = EventLog()
    let uploader: Uploader

    init(_ folder: TemporaryDirectory, seed: UInt64 = 1) throws {
      spool = try Spool(folder: folder.path)
      uploader = Uploader(
        spool: spool, service: service, clock: BridgeClock(clock), events: events.sink,
        generator: SeededGenerator(seed: seed))
    }

    func put(_ dumps: Sample...) async throws {
      for dump in dumps { #expect(try await spool.store(dump) == .stored) }
    }

    /// Moves the clock to the next attempt and makes it. Returns the pause before it.
    func attempt() async -> Duration? {
      guard let next = await uploader.pass() else { return nil }
      let pause = next - clock.now.offset
      clock.advance(by: pause)
      return pause
    }
  }

  private let first = Sample(key(1, 1))
  private let second = Sample(key(1, 2))

  @Test func `wanted dumps are sent, then their bytes go`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      try await bench.put(first, second)
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.offers.map(\.count) == [2])
      let offer = bench.service.now.offers.first?.first
      #expect(offer?.consentEpoch == 1)
      #expect(offer?.buildId == [UInt8](0xB0..<0xC4).hexDigits)
      #expect(
        bench.service.now.stored == [first.identity: first.bytes, second.identity: second.bytes])
      #expect(try await bench.spool.standing(of: first) == .known(.uploaded))
      #expect(try await bench.spool.bytes(of: first.identity) == nil)
      #expect(bench.events.all(.dumpUploaded).map(\.dumpId) == ["stored-1-1", "stored-1-2"])
    }
  }

  @Test(arguments: [
    (OfferAnswer.Verdict.stored, Spool.State.uploaded), (.skip, .skipped), (.refused, .purged),
  ])
  func `an offer that is not wanted is not sent`(
    verdict: OfferAnswer.Verdict, state: Spool.State
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.verdict = { _ in verdict } }
      try await bench.put(first)
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.uploads.isEmpty)
      #expect(try await bench.spool.standing(of: first) == .known(state))
      #expect(try await bench.spool.bytes(of: first.identity) == nil)
    }
  }

  @Test func `a dump without consent is purged`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.uploadFailure = { _ in .status(403) } }
      try await bench.put(first)
      #expect(await bench.uploader.pass() == nil)
      #expect(try await bench.spool.standing(of: first) == .known(.purged))
      #expect(bench.events.all(.dumpPurged).count == 1)
      #expect(!folder.holds(first.bytes[200..<232]))
    }
  }

  @Test(arguments: [409, 413, 422])
  func `a dump that is never taken is kept aside and does not stop the next`(
    status: Int
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      let bad = first.identity
      bench.service.set { $0.uploadFailure = { $0 == bad ? .status(status) : nil } }
      try await bench.put(first, second)
      #expect(await bench.uploader.pass() == nil)
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.uploads == [first.identity, second.identity])
      #expect(try await bench.spool.standing(of: first) == .known(.rejected))
      #expect(try await bench.spool.bytes(of: first.identity) == first.bytes)
      #expect(try await bench.spool.standing(of: second) == .known(.uploaded))
    }
  }

  @Test func `a device nobody claimed is kept, with the words that help`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.offerFailure = .status(404) }
      try await bench.put(first)
      #expect(await bench.uploader.pass() != nil)
      #expect(try await bench.spool.standing(of: first) == .known(.stored))
      let words = bench.events.all(.warning).first?.text ?? ""
      #expect(words.contains("claim it with: martlet device claim"))
      #expect(words.contains(first.identity.device))
    }
  }

  @Test func `pauses grow with jitter up to a minute, the same for the same seed`() async throws {
    func pauses(seed: UInt64) async throws -> [Duration] {
      try await TemporaryDirectory.with { folder in
        let bench = try Bench(folder, seed: seed)
        bench.service.set { $0.offerFailure = .unreachable }
        try await bench.put(first)
        var pauses: [Duration] = []
        for _ in 0..<40 { await bench.attempt().map { pauses.append($0) } }
        return pauses
      }
    }
    let seed = SeededGenerator.fromEnvironment().seed
    let drawn = try await pauses(seed: seed)
    #expect(drawn.count == 40)
    for (index, pause) in drawn.enumerated() {
      #expect(pause <= min(.seconds(60), .milliseconds(500) * (1 << min(index, 20))))
    }
    #expect(drawn.contains { $0 > .seconds(20) })
    #expect(Set(drawn).count > 30)
    #expect(try await pauses(seed: seed) == drawn)
  }

  @Test func `the service's Retry-After is honoured`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      var busy = ServiceFailure.status(503)
      busy.retryAfter = .seconds(100)
      bench.service.set { [busy] in $0.offerFailure = busy }
      try await bench.put(first)
      #expect(await bench.uploader.pass() == .seconds(100))
      // Nothing is tried before.
      bench.clock.advance(by: .seconds(99))
      _ = await bench.uploader.pass()
      #expect(bench.service.now.offers.count == 1)
      bench.clock.advance(by: .seconds(1))
      _ = await bench.uploader.pass()
      #expect(bench.service.now.offers.count == 2)
    }
  }

  @Test func `a dump that fails lets the others of its device pass`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      let bad = first.identity
      bench.service.set { $0.uploadFailure = { $0 == bad ? .status(500) : nil } }
      try await bench.put(first, second)
      for _ in 0..<3 { _ = await bench.attempt() }
      #expect(try await bench.spool.standing(of: second) == .known(.uploaded))
      #expect(try await bench.spool.standing(of: first) == .known(.stored))
    }
  }

  @Test func `one device's trouble does not hold up another`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      let other = Sample(key(1, 1), device: "22")
      let bad = first.identity.device
      bench.service.set { $0.uploadFailure = { $0.device == bad ? .unreachable : nil } }
      try await bench.put(first, other)
      #expect(await bench.uploader.pass() != nil)
      #expect(try await bench.spool.standing(of: other) == .known(.uploaded))
    }
  }

  @Test func `a new dump wakes the uploader at once, and time wakes it for old ones`() async throws
  {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await bench.uploader.run() }
        do {
          try await bench.put(first)
          bench.uploader.wake()
          #expect(await bench.events.next(.dumpUploaded)?.dump == "1-1")

          bench.service.set { $0.offerFailure = .unreachable }
          try await bench.put(second)
          bench.uploader.wake()
          #expect(await bench.events.next(.warning) != nil)
          bench.service.set { $0.offerFailure = nil }
          await bench.clock.waitForSleeper()
          bench.clock.advance(by: .seconds(1))
          #expect(await bench.events.next(.dumpUploaded)?.dump == "1-2")
        } catch {
          Issue.record(error)
        }
        group.cancelAll()
      }
    }
  }
}

extension ServiceFailure {
  static func status(_ status: Int) -> ServiceFailure {
    ServiceFailure(
      status: status, code: status == 403 ? "ConsentNotGiven" : "Test",
      message: "answer of the test")
  }

  static let unreachable = ServiceFailure(status: nil, code: "Unreachable", message: "no answer")
}
