// Whether the board waits for the service before its application starts: not unless told, and never long.

import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct UploadWaitTests {
  private static let strict = ConversationSettings(waitForUpload: .seconds(5))

  @Test func `the conversation holds the start until the service has the visit's dumps`() {
    let lab = Lab(board: FakeBoard(lease: .allowed), settings: Self.strict)
    lab.board.hold(key(1, 1), key(1, 2))
    lab.connect()
    #expect(lab.run { !$0.awaited.isEmpty })
    #expect(lab.awaited.first?.map(\.key) == [key(1, 1), key(1, 2)])
    #expect(lab.board.dumps.isEmpty)
    lab.run(for: .seconds(3)) { _ in false }
    #expect(lab.board.started == nil)
    // An answer about other dumps changes nothing.
    lab.perform(lab.conversation.uploaded([], now: lab.now))
    #expect(lab.conversation.stage == .uploading)
    lab.perform(lab.conversation.uploaded(lab.awaited[0], now: lab.now))
    #expect(lab.run(for: .milliseconds(5)) { $0.board.started == .hostSaidGo })
  }

  @Test func `five seconds after the last transfer the application starts all the same`() {
    let lab = Lab(board: FakeBoard(lease: .allowed), settings: Self.strict)
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { !$0.completions.isEmpty })
    let whole = lab.now
    var silent = Duration.zero
    var longest = Duration.zero
    var last = lab.board.seen.count
    #expect(
      lab.run { lab in
        silent = lab.board.seen.count == last ? silent + .milliseconds(1) : .zero
        last = lab.board.seen.count
        longest = max(longest, silent)
        return lab.board.started != nil
      })
    #expect(lab.board.started == .hostSaidGo)
    #expect((.milliseconds(4_990) ... .milliseconds(5_010)).contains(lab.now - whole))
    // The agent, which leaves when the host is silent for 5 s, was spoken to.
    #expect(longest < .seconds(3))
  }

  @Test func `a visit that brings nothing does not wait`() {
    let lab = Lab(board: FakeBoard(lease: .allowed), settings: Self.strict)
    lab.store = { _ in .notNow }
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run(for: .milliseconds(200)) { $0.board.started != nil })
    #expect(lab.awaited.isEmpty)
  }

  @Test func `a dump that was spooled before is waited for as well`() {
    let lab = Lab(board: FakeBoard(lease: .allowed), settings: Self.strict)
    lab.judge = { _ in .settled(.stored) }
    lab.board.hold(key(1, 1))
    lab.run(for: .seconds(10)) { _ in false }
    lab.connect()
    #expect(lab.run { !$0.awaited.isEmpty })
    lab.run(for: .seconds(4)) { _ in false }
    #expect(lab.board.started == nil)
    #expect(lab.run(for: .milliseconds(1_050)) { $0.board.started != nil })
  }

  @Test func `a denial ends the wait`() {
    let lab = Lab(board: FakeBoard(lease: .allowed), settings: Self.strict)
    lab.consent = .silent
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { !$0.awaited.isEmpty })
    lab.wishes.first.map { lab.answerLease($0, allowed: false) }
    #expect(lab.run(for: .milliseconds(50)) { $0.board.started != nil })
  }

  @Test func `a board with a lease does not wait for a service that is mute`() async throws {
    let clock = ManualClock()
    try await SessionTests().withBridge(clock: BridgeClock(clock)) { bridge async throws in
      bridge.service.set { $0.isMute = true }
      bridge.line.board { $0.forward(key(7, 1)) }
      bridge.line.plugIn()
      // No time passes at all.
      #expect(await bridge.events.next(.boardStarting)?.reason == "hostSaidGo")
      #expect(bridge.events.all(.dumpSpooled).count == 1)
      #expect(bridge.service.now.stored.isEmpty)
      #expect(clock.now.offset == .zero)
    }
  }

  @Test func `with the strict reading the start comes after the upload`() async throws {
    let clock = ManualClock()
    try await SessionTests().withBridge(
      settings: Self.strict, clock: BridgeClock(clock)
    ) { bridge async throws in
      bridge.line.board { $0.forward(key(7, 1)) }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.boardStarting)?.reason == "hostSaidGo")
      let names = bridge.events.all.map(\.event)
      let uploaded = names.firstIndex(of: .dumpUploaded)
      let started = names.firstIndex(of: .boardStarting)
      // The spool knows of the upload before it is told.
      #expect(bridge.service.now.stored.count == 1)
      #expect(started != nil)
      #expect(uploaded.map { abs($0 - (started ?? 0)) <= 2 } ?? true)
      #expect(clock.now.offset == .zero)
    }
  }

  @Test func `with the strict reading and a mute service the start comes after five seconds`()
    async throws
  {
    let clock = ManualClock()
    try await SessionTests().withBridge(
      settings: Self.strict, clock: BridgeClock(clock)
    ) { bridge async throws in
      bridge.service.set { $0.isMute = true }
      bridge.line.board { $0.forward(key(7, 1)) }
      bridge.line.plugIn()
      #expect(await bridge.events.next(.dumpSpooled) != nil)
      while bridge.events.all(.boardStarting).isEmpty, clock.now.offset < .seconds(20) {
        await clock.waitForSleeper()
        clock.advance(by: .milliseconds(100))
        await Task.yield()
      }
      #expect(bridge.events.all(.boardStarting).count == 1)
      #expect(clock.now.offset >= .seconds(5))
      #expect(bridge.service.now.stored.isEmpty)
    }
  }
}

extension FakeBoard {
  /// Gives the board a lease and dumps to forward.
  fileprivate func forward(_ keys: DumpKey...) {
    hello.leaseState = .allowed
    hello.leaseSeconds = 1_000
    for key in keys { dumps[key] = sampleDump(key) }
  }
}
