// What the status takes from spool, line and socket: seen by whoever asks.

import Foundation
import MartletTestKit
import SerialLink
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct StatusSourcesTests {
  /// A reporter over a spool, with nothing else.
  private func reporter(_ spool: Spool) -> StatusReporter {
    let board = StatusBoard(service: "http://127.0.0.1:1", boards: [])
    let uploader = Uploader(spool: spool, service: FakeService())
    return StatusReporter(board: board, spool: spool, sessions: [], uploader: uploader)
  }

  @Test func `what the spool holds is told, and that its limit is met`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path, limits: SpoolLimits(bytes: 40_000))
      let reporter = reporter(spool)
      #expect(await reporter.status().spool?.waiting == 0)
      #expect(await reporter.status().spool?.oldestAgeSeconds == nil)
      for sequence in 1...8 {
        _ = try await spool.store(Sample(key(1, UInt32(sequence)), size: 8_000))
      }
      let status = await reporter.status()
      #expect((status.spool?.waiting ?? 0) > 0)
      #expect((status.spool?.bytes ?? .max) <= 40_000)
      #expect(status.spool?.oldestAgeSeconds != nil)
      #expect(status.attention.map(\.code) == ["spoolFull"])
      #expect(status.text.contains(", FULL"))
    }
  }

  @Test func `a spool that cannot be read is said to be so`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      _ = try await spool.store(Sample(key(1, 1)))
      spool.letGo()
      try Data("no database".utf8).write(to: folder.file("spool.sqlite"))
      let status = await reporter(spool).status()
      #expect(status.spool == nil)
      #expect(status.attention.map(\.code) == ["spoolFails"])
      #expect(status.text.contains("spool    CANNOT BE READ"))
    }
  }

  @Test func `a dump on its way is shown with its bytes so far`() {
    let lab = Lab()
    lab.board.hold(key(7, 1), size: 40_000)
    lab.connect()
    #expect(lab.run { ($0.conversation.transfer?.bytes ?? 0) > 10_000 })
    let transfer = lab.conversation.transfer
    #expect(transfer?.dump == "7-1")
    #expect((transfer?.totalBytes ?? 0) > 40_000)
    #expect(lab.run { $0.spooled.count == 1 })
    #expect(lab.conversation.transfer == nil)
  }

  @Test func `frames that a line spoils are counted, and none on a clean one`() {
    for (flips, isSpoilt) in [(0.0, false), (0.0005, true)] {
      var faults = FaultyLink.Faults()
      faults.flipBit = flips
      let lab = Lab(faults: faults, seed: 7)
      lab.board.hold(key(7, 1), size: 20_000)
      lab.connect()
      #expect(lab.run { $0.spooled.count == 1 })
      let counts = lab.conversation.lineCounts
      #expect(counts.frames > 10)
      #expect((counts.damagedFrames > 0) == isSpoilt)
    }
  }

  @Test func `events are followed over the socket, and a follower that sleeps is let go`()
    async throws
  {
    let feed = EventFeed()
    let stream = try #require(feed.follow())
    let sleeper = try #require(feed.follow())
    var received = stream.makeAsyncIterator()
    for number in 0..<EventFeed.patience + 10 {
      feed.take(BridgeEvent(.warning).with { $0.text = "\(number)" })
      let line = try #require(await received.next())
      #expect(try BridgeEvent(line: Data(line)).text == "\(number)")
    }
    // Everything up to its limit, then the end.
    var count = 0
    for await _ in sleeper { count += 1 }
    #expect(count == EventFeed.patience)

    let others = (0..<EventFeed.mostFollowers).map { _ in feed.follow() }
    #expect(others.compactMap { $0 }.count == EventFeed.mostFollowers - 1)
  }

  @Test func `each path of the socket has its answer`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.file("spool").path)
      let path = folder.file("run/bridge.sock").path
      let feed = EventFeed()
      let server = try await LocalServer.listen(
        onSocket: path, limits: .patient, handler: StatusAPI.handler(reporter(spool), feed))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await server.run() }
        let status = try await RawClient.get(StatusAPI.status, of: path)
        #expect(status.status == 200)
        #expect(try BridgeStatus(json: Data(status.body.utf8)).bridge.pid == getpid())
        #expect(try await RawClient.get(StatusAPI.health, of: path).body == "ok\n")
        #expect(try await RawClient.get("/", of: path).status == 404)
        #expect(
          try await StatusClient.status(ofFirstAt: ["/nowhere", path]).bridge.pid == getpid())
        group.cancelAll()
      }
      let error = await #expect(throws: HostBridgeError.self) {
        try await StatusClient(socket: path).status()
      }
      #expect(error?.code == .noBridge)
    }
  }

  @Test(arguments: [
    (["RUNTIME_DIRECTORY": "/run/martlet", "XDG_RUNTIME_DIR": "/x"], "/run/martlet/bridge.sock"),
    (["XDG_RUNTIME_DIR": "/run/user/7"], "/run/user/7/martlet/bridge.sock"),
    (["XDG_RUNTIME_DIR": "relative", "XDG_STATE_HOME": "/s"], "/s/martlet/bridge.sock"),
  ])
  func `the socket is where the environment says`(environment: [String: String], path: String) {
    #expect(StatusSocketPlace.standard(environment) == path)
    #expect(StatusSocketPlace.candidates(environment).first == path)
    #expect(StatusSocketPlace.candidates(environment).last == StatusSocketPlace.system)
    let named = environment.merging(["MARTLET_STATUS_SOCKET": "/n"]) { $1 }
    #expect(StatusSocketPlace.candidates(named).first == "/n")
  }
}
