// A session with a scripted board: line, spool, service and uploader together.

import DumpFormat
import Foundation
import LinkProtocol
import Logging
import MartletTestKit
import SerialLink
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct SessionTests {
  @Test func `a crash on the board reaches the service once`() async throws {
    try await withBridge { bridge async throws in
      bridge.line.board { $0.hold(key(7, 1)) }
      bridge.line.plugIn()
      let uploaded = await bridge.events.next(.dumpUploaded)
      #expect(uploaded?.dump == "7-1")
      #expect(uploaded?.dumpId == "stored-7-1")
      #expect(bridge.service.now.stored.count == 1)
      // A slow line has requests repeated; all of them say the same.
      #expect(Set(bridge.line.board { $0.receipts.map(\.verdict) }) == [.stored])

      let names = bridge.events.all.map(\.event).filter { $0 != .console }
      let order: [BridgeEvent.Name] = [
        .boardConnected, .boardHello, .leaseGranted, .dumpOffered, .dumpSpooled,
      ]
      #expect(Array(names.prefix(5)) == order)
      let hello = bridge.events.all(.boardHello).first
      #expect(hello?.device == String(repeating: "a5", count: 64))
      #expect(hello?.dumpsWaiting == 1)
      #expect(hello?.board == "unix:/fake")
    }
  }

  @Test func `the board is told stored only after the spool has it`() async throws {
    try await withBridge { bridge async throws in
      let spool = bridge.spool
      // The spool fails: the dump has to stay on the board.
      try await spool.connected().write { try $0.execute(sql: "ALTER TABLE dump RENAME TO lost") }
      bridge.line.board { $0.hold(key(7, 1)) }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.boardStarting) != nil)
      #expect(Set(bridge.line.board { $0.receipts.map(\.verdict) }) == [.notNow])
      #expect(bridge.line.board { $0.dumps.count } == 1)
    }
  }

  @Test func `a revoked consent empties the spool and sends nothing`() async throws {
    try await withBridge { bridge async throws in
      let dump = Sample(key(6, 1), device: "a5")
      bridge.service.set { $0.offerFailure = .unreachable }
      #expect(try await bridge.spool.store(dump) == .stored)
      bridge.service.set { $0.allowsDumps = false }
      bridge.line.board { $0.hold(key(7, 1)) }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.leaseDenied) != nil)
      #expect(try await bridge.spool.standing(of: dump) == .known(.purged))
      #expect(await bridge.events.next(.boardStarting) != nil)
      #expect(bridge.events.all(.dumpPurged).map(\.count) == [1])
      #expect(bridge.service.now.stored.isEmpty)
      #expect(bridge.line.board { $0.receipts.isEmpty })
    }
  }

  @Test func `a dump that reaches the disk behind a revocation is not kept`() async throws {
    try await withBridge { bridge async throws in
      let dump = Sample(key(6, 1), device: "a5")
      bridge.service.set { $0.allowsDumps = false }
      let wish = LeaseWish(
        device: dump.identity.device, nonce: [UInt8](repeating: 1, count: 16), buildID: "00",
        imageVersion: "1", bootCount: 6, uncapturedCrashes: 0)
      await bridge.session.work(on: .lease(wish))
      let prologue = try dump.bytes.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
      await bridge.session.work(on: .store(dump.identity, prologue, dump.bytes))
      #expect(try await bridge.spool.standing(of: dump) == .known(.purged))
      #expect(bridge.events.all(.dumpSpooled).isEmpty)
      // The session waits for its line.
      bridge.line.plugIn()
    }
  }

  @Test func `a new consent empties the spool of the one before`() async throws {
    try await withBridge { bridge async throws in
      let old = Sample(key(6, 1), device: "a5", epoch: 1)
      let new = Sample(key(6, 2), device: "a5", epoch: 2)
      bridge.service.set {
        $0.offerFailure = .unreachable
        $0.epoch = 2
      }
      #expect(try await bridge.spool.store(old) == .stored)
      #expect(try await bridge.spool.store(new) == .stored)
      // The board has not dropped its own yet.
      bridge.line.board { $0.hold(key(7, 1)) }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.dumpRefused)?.cause == .noConsent)
      #expect(try await bridge.spool.standing(of: old) == .known(.purged))
      #expect(try await bridge.spool.standing(of: new) == .known(.stored))
      #expect(bridge.events.all(.dumpPurged).map(\.size) == [old.bytes.count])
      #expect(bridge.events.all(.dumpPurged).map(\.board) == ["unix:/fake"])
    }
  }

  @Test func `a dump that is not sealed is not taken, and released on the board`() async throws {
    try await withBridge { bridge async throws in
      bridge.line.board { board in
        var builder = DumpBuilder(key: key(7, 1))
        builder.addMemory(at: 0x2000_0000, [UInt8](repeating: 0x5E, count: 500))
        board.dumps[key(7, 1)] = builder.build()
        board.hold(key(7, 2))
      }
      bridge.line.plugIn()
      let refused = await bridge.events.next(.dumpRefused)
      #expect(refused?.cause == .notSealed)
      #expect(refused?.dump == "7-1")
      #expect(await bridge.events.next(.dumpUploaded)?.dump == "7-2")
      #expect(bridge.line.board { Set($0.fetches.map(\.key)) } == [key(7, 2)])
      #expect(bridge.service.now.stored.count == 1)
    }
  }

  @Test func `a board that was never provisioned is told about once, with what to do`()
    async throws
  {
    let log = LogLines()
    try await withBridge(
      settings: ConversationSettings(pollInterval: .milliseconds(20)), log: log.logger
    ) { bridge async throws in
      bridge.line.board { $0.hello.deviceID = DeviceID() }
      bridge.line.plugIn()
      for _ in 0..<3 {
        let event = await bridge.events.next(.leaseFailed)
        #expect(event?.leaseProblem == .notProvisioned)
      }
      #expect(log.all(from: .warning).count == 1)
      #expect(
        log.all(from: .warning).first?.contains("martlet-bridge provision --board unix:/fake")
          == true)
      #expect(bridge.service.now.leases.isEmpty)
    }
  }

  @Test func `a device whose key nobody registered is told how to be`() async throws {
    try await withBridge { bridge async throws in
      bridge.service.set {
        $0.leaseFailure = ServiceFailure(
          status: 409, code: "DeviceNotProvisioned", message: "no key")
      }
      bridge.line.plugIn()
      let event = await bridge.events.next(.leaseFailed)
      #expect(event?.leaseProblem == .keyUnknown)
      #expect(event?.reason?.contains("martlet-bridge provision --board unix:/fake") == true)
    }
  }

  @Test func `a board that ignores a denial is reported`() async throws {
    try await withBridge { bridge async throws in
      bridge.service.set { $0.allowsDumps = false }
      bridge.line.board {
        $0.ignoresLeases = true
        $0.hello.leaseState = .allowed
      }
      bridge.line.plugIn()
      let failed = await bridge.events.next(.leaseFailed)
      #expect(failed?.reason?.contains("its state is allowed") == true)
    }
  }

  @Test func `an unknown device is told how to be claimed`() async throws {
    try await withBridge { bridge async throws in
      bridge.service.set { $0.leaseFailure = .status(404) }
      bridge.line.plugIn()
      let failed = await bridge.events.next(.leaseFailed)
      #expect(failed?.reason?.contains("martlet device claim") == true)
    }
  }

  @Test func `a line that breaks in the middle is opened again and the transfer goes on`()
    async throws
  {
    try await withBridge { bridge async throws in
      let line = bridge.line
      line.board {
        $0.hold(key(7, 1), size: 50_000)
        $0.hello.leaseState = .allowed
        $0.hello.leaseSeconds = 100
        $0.onData = { board, offset in
          guard offset > 20_000 else { return }
          board.onData = { _, _ in }
          line.unplug()
        }
      }
      line.plugIn()
      let uploaded = await bridge.events.next(.dumpUploaded)
      #expect(uploaded?.dump == "7-1")
      #expect(bridge.events.all(.boardConnected).count == 2)
      let resumed = bridge.line.board { $0.fetches.last?.offset ?? 0 }
      #expect(resumed > 20_000)
    }
  }

  @Test func `console text and typed lines pass beside the frames`() async throws {
    try await withBridge { bridge async throws in
      bridge.line.board { $0.print("hello from the board\n") }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.console)?.text == "hello from the board\n")
      #expect(await bridge.events.next(.boardStarting) != nil)
      await bridge.session.type(Array("sta\0tus\n".utf8))
      #expect(await bridge.line.nextText() == "status\n")
    }
  }

  @Test func `an event is one line of JSON with its time`() throws {
    var event = BridgeEvent(.boardHello, board: "unix:/x", device: "ab")
    event.bootCount = 3
    event.time = Date(timeIntervalSince1970: 1_700_000_000.25)
    let line = try event.line()
    #expect(
      String(decoding: line, as: UTF8.self) == """
        {"board":"unix:/x","bootCount":3,"device":"ab","event":"board.hello",\
        "time":"2023-11-14T22:13:20.250Z"}

        """)
    #expect(try BridgeEvent(line: line) == event)
  }

  /// The parts of a running bridge.
  struct Running {
    let line: FakeLine
    let session: BoardSession
    let service: FakeService
    let spool: Spool
    let events: EventLog
  }

  /// - Parameters:
  ///   - transport: how the board is reached instead of by a ``FakeLine``.
  ///   - console: takes what the board prints.
  func withBridge(
    over transport: (any BoardTransport)? = nil, to address: BoardAddress = .unix(path: "/fake"),
    settings: ConversationSettings = ConversationSettings(), clock: BridgeClock = .system,
    log: Logger = Logger(label: "bridge"),
    console: @escaping ConsoleSink = { _ in }, _ body: (Running) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let line = FakeLine()
      let service = FakeService()
      let events = EventLog()
      let spool = try Spool(folder: folder.path)
      let uploader = Uploader(spool: spool, service: service, clock: clock, events: events.sink)
      let parts = BridgeParts(
        spool: spool, service: service, uploader: uploader, transport: transport ?? line,
        clock: clock, log: log, events: events.sink)
      let session = BoardSession(
        address: address, parts: parts, settings: settings, console: console)
      let bridge = Bridge(sessions: [session], uploader: uploader)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await bridge.run() }
        defer { group.cancelAll() }
        try await body(
          Running(line: line, session: session, service: service, spool: spool, events: events))
      }
    }
  }
}

/// A line in memory with a ``FakeBoard`` at its end. The board acts whenever bytes arrive.
final class FakeLine: BoardTransport {
  private struct State: ~Copyable {
    let board = FakeBoard()
    var isThere = false
    var toHost: AsyncThrowingStream<[UInt8], any Error>.Continuation?
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())
  private let (texts, text) = AsyncStream.makeStream(of: String.self)

  func board<Result: Sendable>(_ body: (FakeBoard) -> Result) -> Result {
    state.withLock { body($0.board) }
  }

  /// Lets the bridge find the board.
  func plugIn() {
    let waiting = state.withLock { state in
      state.isThere = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for waiter in waiting { waiter.resume() }
  }

  /// Breaks the connection; the next one works. Called while the board acts.
  func unplug() { broken.store(true, ordering: .sequentiallyConsistent) }
  private let broken = Atomic(false)

  func nextText() async -> String? {
    for await text in texts { return text }
    return nil
  }

  func withConnection<Result: Sendable>(
    to address: BoardAddress,
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result {
    await withCheckedContinuation { waiter in
      let isThere = state.withLock { state in
        if !state.isThere { state.waiting.append(waiter) }
        return state.isThere
      }
      if isThere { waiter.resume() }
    }
    let (inbound, toHost) = AsyncThrowingStream.makeStream(of: [UInt8].self)
    state.withLock {
      $0.toHost = toHost
      $0.board.sayHello()
    }
    act(on: [])
    return try await body(BoardInbound(inbound), BoardOutbound { self.act(on: $0) })
  }

  /// Lets the board act on bytes, or by itself.
  func act(on bytes: [UInt8] = []) {
    // What is no frame is text for the board's console.
    if !bytes.isEmpty, !bytes.contains(0) { text.yield(String(decoding: bytes, as: UTF8.self)) }
    state.withLock { state in
      state.board.receive(bytes)
      while let said = state.board.step() {
        if broken.exchange(false, ordering: .sequentiallyConsistent) {
          state.toHost?.finish()
          return
        }
        state.toHost?.yield(said)
      }
    }
  }
}
