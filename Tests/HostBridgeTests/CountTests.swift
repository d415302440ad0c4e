// Crash counts on their way from the board through the spool to the service.

import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import ServiceAPI
import Testing

@testable import HostBridge

/// A count as a board tells it.
func crashCount(
  _ fingerprint: UInt64, count: UInt32, firstBoot: UInt32 = 1, next: UInt16 = 0
) -> CrashCount {
  CrashCount(
    nextPosition: next, fingerprint: Fingerprint(rawValue: fingerprint), firstBoot: firstBoot,
    firstUptime: 5, lastBoot: firstBoot + count - 1, lastUptime: CrashCount.unknownUptime,
    count: count)
}

@Suite struct CountConversationTests {
  private let three = [
    crashCount(0xA, count: 5), crashCount(0xB, count: 1), crashCount(0xC, count: 9),
  ]

  private func lab(
    _ counts: [CrashCount]?, settings: ConversationSettings = .init(),
    faults: FaultyLink.Faults = .init(), seed: UInt64 = 1
  ) -> Lab {
    let lab = Lab(
      board: FakeBoard(lease: .allowed), settings: settings, faults: faults, seed: seed)
    lab.board.counts = counts
    return lab
  }

  @Test func `counts are read behind the dumps and before the application starts`() {
    let lab = lab(three)
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.counted.map { $0.map(\.count) } == [[5, 1, 9]])
    #expect(lab.counted.first?.map(\.fingerprint) == three.map(\.fingerprint))
    let order = lab.board.seen.filter { $0 == .receipt || $0 == .tally || $0 == .go }
    #expect(order == [.receipt, .tally, .tally, .tally, .tally, .go])
    #expect(lab.warnings.isEmpty)
  }

  @Test func `counts are read once for each boot, with and without dumps`() {
    let lab = lab(three, settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.connect()
    lab.run(for: .seconds(10)) { _ in false }
    #expect(lab.wishes.count > 5, "there were polls")
    #expect(lab.counted.count == 1)
    lab.disconnect()
    lab.connect()
    lab.run(for: .seconds(3)) { _ in false }
    #expect(lab.counted.count == 1)
    lab.board.counts?[0].count = 6
    lab.board.reboot(phase: .application)
    lab.run(for: .seconds(3)) { _ in false }
    #expect(lab.counted.map { $0.map(\.count) } == [[5, 1, 9], [6, 1, 9]])
  }

  @Test func `without a lease no count is asked for, and with it they are`() {
    let lab = Lab(settings: ConversationSettings(pollInterval: .seconds(3)))
    lab.board.counts = three
    lab.consent = .unreachable
    lab.connect()
    lab.run(for: .seconds(2)) { _ in false }
    #expect(lab.board.started != nil)
    #expect(!lab.board.seen.contains(.tally))
    lab.consent = .allowed
    #expect(lab.run(for: .seconds(10)) { !$0.counted.isEmpty })
  }

  @Test func `an older board is asked once a boot, without a warning`() {
    let lab = lab(nil, settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.connect()
    lab.run(for: .seconds(10)) { _ in false }
    #expect(lab.board.seen.count { $0 == .tally } == 1)
    #expect(lab.board.started == .hostSaidGo)
    #expect(lab.counted.isEmpty)
    #expect(lab.warnings.isEmpty)
    lab.board.counts = three
    lab.board.reboot()
    #expect(lab.run(for: .seconds(3)) { !$0.counted.isEmpty })
  }

  @Test func `a board whose flash fails is asked again at the next visit`() {
    let lab = lab(three, settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.board.refusesTally = .flashFailed
    lab.connect()
    #expect(lab.run(for: .seconds(1)) { $0.board.started != nil })
    #expect(lab.warnings.count == 1)
    lab.board.refusesTally = nil
    #expect(lab.run(for: .seconds(3)) { !$0.counted.isEmpty })
  }

  @Test func `a denial in the middle ends the reading, and consent begins it anew`() {
    let lab = lab(three, settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.consent = .silent
    lab.connect()
    #expect(lab.run { $0.board.seen.count { $0 == .tally } == 2 })
    lab.wishes.first.map { lab.answerLease($0, allowed: false) }
    lab.consent = .denied
    lab.run(for: .seconds(3)) { _ in false }
    #expect(lab.counted.isEmpty)
    #expect(lab.board.started != nil)
    // One more was on its way when the denial came; the whole list takes four.
    #expect(lab.board.seen.count { $0 == .tally } < 4)
    lab.consent = .allowed
    #expect(lab.run(for: .seconds(3)) { $0.counted.map(\.count) == [3] })
    // What was kept is purged with a later denial, so it is read again after that.
    lab.consent = .denied
    #expect(lab.run(for: .seconds(3)) { $0.board.hello.leaseState == .denied })
    lab.consent = .allowed
    #expect(lab.run(for: .seconds(3)) { $0.counted.map(\.count) == [3, 3] })
  }

  @Test func `counts that could not be kept are read again`() {
    let lab = lab(three, settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.connect()
    #expect(lab.run(for: .seconds(1)) { !$0.counted.isEmpty })
    lab.conversation.countsLost()
    #expect(lab.run(for: .seconds(3)) { $0.counted.count == 2 })
  }

  @Test(arguments: [
    // Goes back, stands still, and says that there was no crash.
    [crashCount(1, count: 4, next: 7), crashCount(2, count: 1)],
    [crashCount(1, count: 4), crashCount(2, count: 1, next: 1)],
    [crashCount(1, count: 4), crashCount(2, count: 0, firstBoot: 9)],
  ])
  func `a board that counts nonsense is left alone with what made sense`(counts: [CrashCount]) {
    let lab = lab(counts, settings: ConversationSettings(pollInterval: .seconds(1)))
    if counts[0].nextPosition == 7 {
      // Position 7 leads back to 1.
      lab.board.counts =
        [counts[0]] + (1...6).map { crashCount($0, count: 1) }
        + [crashCount(9, count: 1, next: 1)]
    }
    lab.connect()
    lab.run(for: .seconds(5)) { _ in false }
    #expect(lab.board.started != nil)
    #expect(lab.warnings.count == 1)
    #expect(lab.counted.map { $0.map(\.count) } == [[4]])
  }

  @Test func `a board whose counts never end is left after a thousand`() {
    let lab = lab((1...1_100).map { crashCount($0, count: 1) })
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.counted.map(\.count) == [BoardConversation.mostCounts])
    #expect(lab.warnings.count == 1)
  }

  @Test(arguments: 0..<8) func `counts arrive whole over a line that loses and doubles`(
    round: UInt64
  ) {
    var faults = FaultyLink.Faults()
    faults.dropByte = 0.002
    faults.flipBit = 0.002
    faults.duplicateByte = 0.001
    faults.dropChunk = 0.02
    faults.duplicateChunk = 0.02
    faults.reorderChunk = 0.02
    let seed = SeededGenerator.fromEnvironment().seed &+ round
    let counts = (1...64).map { crashCount($0, count: UInt32($0)) }
    let lab = lab(counts, faults: faults, seed: seed)
    lab.connect()
    #expect(lab.run { !$0.counted.isEmpty }, "seed \(seed)")
    #expect(lab.counted.first?.map(\.count) == (1...64).map { $0 }, "seed \(seed)")
  }
}

@Suite(.timeLimit(.minutes(5))) struct CountSpoolTests {
  private let device = String(repeating: "11", count: 64)
  private let other = String(repeating: "22", count: 64)

  private func spooled(
    _ fingerprint: UInt64, _ count: UInt32, firstBoot: UInt32 = 1
  ) -> SpooledCount {
    SpooledCount(crashCount(fingerprint, count: count, firstBoot: firstBoot))
  }

  @Test func `the largest count of each name waits, also after the spool is opened again`()
    async throws
  {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let first = [spooled(1, 3), spooled(2, 1), spooled(1, 2, firstBoot: 50)]
      #expect(try await spool.keep(first, of: device) == first)
      #expect(try await spool.keep([spooled(1, 2), spooled(2, 1)], of: device) == [])
      #expect(try await spool.keep([spooled(1, 7), spooled(2, 1)], of: device) == [spooled(1, 7)])
      spool.letGo()
      let again = try Spool(folder: folder.path)
      #expect(
        try await again.countsWaiting(of: device, limit: 9)
          == [spooled(1, 7), spooled(2, 1), spooled(1, 2, firstBoot: 50)])
      #expect(try await again.devicesCounted() == [device])
      #expect(spooled(1, 7).lastUptimeSeconds == nil, "unknown is not a number")
    }
  }

  @Test func `what the service has does not wait until it grows`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      _ = try await spool.keep([spooled(1, 3)], of: device)
      let sent = try await spool.countsWaiting(of: device, limit: 9)
      // Grows while it is on its way.
      _ = try await spool.keep([spooled(1, 4)], of: device)
      try await spool.settle(sent, of: device)
      #expect(try await spool.countsWaiting(of: device, limit: 9) == [spooled(1, 4)])
      try await spool.settle([spooled(1, 4)], of: device)
      #expect(try await spool.devicesCounted() == [])
      #expect(try await spool.keep([spooled(1, 4)], of: device) == [])
      #expect(try await spool.devicesCounted() == [])
    }
  }

  @Test func `a purge takes a device's counts and no other's`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      _ = try await spool.keep([spooled(0xABCD, 3)], of: device)
      _ = try await spool.keep([spooled(0xABCD, 3)], of: other)
      #expect(try await spool.purge(device: device).keys == [])
      #expect(try await spool.devicesCounted() == [other])
      #expect(!folder.holds(device.utf8))
    }
  }

  @Test func `a device that invents fingerprints fills its own share alone`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      _ = try await spool.keep([spooled(1, 3)], of: other)
      let limit = UInt64(Spool.countLimit.device)
      _ = try await spool.keep([spooled(1, 3), spooled(2, 3)], of: device)
      try await spool.settle([spooled(2, 3)], of: device)
      _ = try await spool.keep((3...limit + 1).map { spooled($0, 1) }, of: device)
      // The one that the service has went first, then the oldest.
      var waiting = try await spool.countsWaiting(of: device, limit: 9_999)
      #expect(waiting.count == Spool.countLimit.device)
      #expect(waiting.first == spooled(1, 3))
      _ = try await spool.keep([spooled(limit + 2, 1)], of: device)
      waiting = try await spool.countsWaiting(of: device, limit: 9_999)
      #expect(waiting.count == Spool.countLimit.device)
      #expect(waiting.first == spooled(3, 1))
      #expect(try await spool.countsWaiting(of: other, limit: 9) == [spooled(1, 3)])
    }
  }
}

extension UploaderTests {
  private static let counts = [
    SpooledCount(crashCount(0xA, count: 5)), SpooledCount(crashCount(0xB, count: 2)),
  ]

  @Test func `counts are sent once, and again when they have grown`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      _ = try await bench.spool.keep(Self.counts, of: "d")
      #expect(await bench.uploader.pass() == nil)
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.counts.map(\.counts) == [Self.counts])
      #expect(bench.service.now.counts.map(\.device) == ["d"])
      #expect(bench.events.all(.countsUploaded).map(\.count) == [2])
      let grown = SpooledCount(crashCount(0xA, count: 6))
      _ = try await bench.spool.keep([grown], of: "d")
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.counts.map(\.counts) == [Self.counts, [grown]])
    }
  }

  @Test func `many counts go in batches`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      _ = try await bench.spool.keep(
        (1...600).map { SpooledCount(crashCount($0, count: 1)) }, of: "d")
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.service.now.counts.map(\.counts.count) == [256, 256, 88])
    }
  }

  @Test func `counts wait for a service that is away, and for one that is too old`() async throws {
    for failure in [
      ServiceFailure.unreachable, .status(503), .status(404),
      ServiceFailure(status: 404, code: "RouteNotFound", message: "no such route"),
    ] {
      try await TemporaryDirectory.with { folder in
        let bench = try Bench(folder)
        bench.service.set { $0.countFailure = failure }
        _ = try await bench.spool.keep(Self.counts, of: "d")
        for _ in 0..<3 { #expect(await bench.attempt() != nil) }
        #expect(bench.service.now.counts.count == 3)
        let told = bench.events.all(.warning).first?.text ?? ""
        #expect(told.contains("martlet device claim") == (failure == .status(404)))
        bench.service.set { $0.countFailure = nil }
        #expect(await bench.attempt() == nil)
        #expect(try await bench.spool.devicesCounted() == [])
      }
    }
  }

  @Test func `counts without consent are purged`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.countFailure = .status(403) }
      _ = try await bench.spool.keep(Self.counts, of: "d")
      #expect(await bench.uploader.pass() == nil)
      #expect(bench.events.all(.countsRefused).map(\.count) == [2])
      #expect(try await bench.spool.keep(Self.counts, of: "d") == Self.counts, "they are gone")
    }
  }

  @Test(arguments: [400, 413, 422])
  func `counts that are never taken are not sent for ever`(status: Int) async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.countFailure = .status(status) }
      _ = try await bench.spool.keep(Self.counts, of: "d")
      for _ in 0..<2 { #expect(await bench.uploader.pass() == nil) }
      #expect(bench.service.now.counts.count == 1)
      #expect(bench.events.all(.countsRefused).count == 1)
    }
  }

  @Test func `a dump that fails does not hold up its device's counts`() async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try Bench(folder)
      bench.service.set { $0.uploadFailure = { _ in .status(500) } }
      let dump = Sample(key(1, 1))
      try await bench.put(dump)
      _ = try await bench.spool.keep(Self.counts, of: dump.identity.device)
      #expect(await bench.uploader.pass() != nil)
      #expect(bench.service.now.counts.count == 1)
      #expect(try await bench.spool.devicesCounted() == [])
    }
  }
}

extension SessionTests {
  @Test func `a board's counts reach the service, and are told once`() async throws {
    try await withBridge { bridge async throws in
      bridge.line.board {
        $0.hold(key(7, 1))
        $0.counts = [crashCount(0xA, count: 5), crashCount(0xB, count: 1)]
      }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.countsUploaded)?.count == 2)
      #expect(bridge.service.now.counts.map { $0.counts.map(\.count) } == [[5, 1]])
      #expect(bridge.service.now.counts.map(\.device) == [String(repeating: "a5", count: 64)])
      let told = bridge.events.all(.crashCounted)
      #expect(told.map(\.fingerprint) == ["000000000000000a", "000000000000000b"])
      #expect(told.map(\.count) == [5, 1])
      #expect(told.map(\.firstBoot) == [1, 1])
      #expect(told.map(\.lastBoot) == [5, 1])
      #expect(told.allSatisfy { $0.board != nil && $0.device != nil })
      // The next boot tells the same again and one more.
      bridge.line.board {
        $0.counts?[1].count = 2
        $0.reboot()
      }
      bridge.line.act()
      #expect(await bridge.events.next(.countsUploaded)?.count == 1)
      #expect(bridge.service.now.counts.last?.counts.map(\.count) == [2])
      #expect(bridge.events.all(.crashCounted).count == 3)
    }
  }

  @Test func `counts that the spool cannot keep do not keep the application waiting`() async throws
  {
    try await withBridge { bridge async throws in
      try await bridge.spool.connected().write { try $0.execute(sql: "DROP TABLE crash_count") }
      bridge.line.board { $0.counts = [crashCount(0xA, count: 5)] }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.boardStarting) != nil)
      while !bridge.events.all(.warning).contains(where: {
        $0.text?.contains("crash counts are not kept") == true
      }) { _ = await bridge.events.next(.warning) }
      #expect(bridge.service.now.counts.isEmpty)
    }
  }
}

extension HTTPServiceTests {
  @Test func `counts go to the device's path as JSON`() async throws {
    try await StubServer.with(.init(status: .ok, body: #"{"stored":1}"#)) { server, client in
      let counts = CountRequest(counts: [SpooledCount(crashCount(0xA, count: 5))])
      #expect(try await client.count(device: "ab", counts) == CountAnswer(stored: 1))
      let request = try #require(server.requests.first)
      #expect(request.path == "/martlet/v1/devices/ab/counts")
      #expect(
        String(decoding: request.body, as: UTF8.self).contains(#""lastUptimeSeconds""#) == false)
      #expect(
        try ServiceJSON.decoder().decode(CountRequest.self, from: Data(request.body)) == counts)
    }
  }
}
