// How soon the application starts with a bridge at the line: the real boot agent, the real conversation,
// and a line between them that is as slow as 3 Mbaud are, in the board's own time.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import BootAgent
@testable import HostBridge

/// A board with a boot agent and a bridge's conversation. The bridge looks at its USB device every
/// millisecond of the board's time.
private final class Desk {
  /// As the AST1030's demo has them.
  static let slotSize: UInt32 = 32 << 10
  static let ringSize: UInt32 = 512 << 10
  /// What an fsync takes on a disk that is not fast, microseconds.
  static let storingTime: UInt64 = 10_000

  let board: EmulatedBoard
  private let authority = LeaseAuthority()
  private let conversation = BoardConversation()
  private(set) var agent: BootAgent?
  private(set) var spooled: [Int] = []
  private(set) var wentAt: UInt64?
  private(set) var warnings: [String] = []
  private var storing: (identity: DumpIdentity, until: UInt64)?
  /// Time of the boots before this one, so that the bridge's time goes on.
  private var past: UInt64 = 0
  private var nextLook: UInt64 = 0

  init() throws {
    var configuration = EmulatedBoard.Configuration(seed: 1)
    configuration.flash.ringSize = Self.ringSize
    configuration.toHostCapacity = 1 << 16
    board = try EmulatedBoard(configuration)
    #expect(board.provision(by: authority))
    board.setBaud(3_000_000, fifo: 16)
    board.setFlashTakesTime(true)
    // A turn of the agent that has nothing to do reads the clock some times.
    board.setClockStep(.microseconds(1))
    perform(conversation.connected(now: now))
  }

  private var now: Duration { .microseconds(Int64(past + board.clock)) }

  /// Resets the board, or starts it, and runs its boot up to the application's start.
  func boot() {
    past += board.clock
    nextLook = 0
    wentAt = nil
    board.restart()
    agent = board.run { BootAgent(slotSize: Self.slotSize) }
    board.run { agent?.greet() }
    while agent?.phase == .agent { turn() }
  }

  /// Runs until `isDone` holds, for a minute of the board's time at most.
  func run(until isDone: () -> Bool) {
    let end = board.clock + 60_000_000
    while !isDone(), board.clock < end { turn() }
  }

  var hasConsent: Bool {
    board.run { consentGate().state(at: halMonotonicMicroseconds()) } == .allowed
  }

  private func turn() {
    board.run { agent?.step { _ in } }
    guard board.clock >= nextLook else { return }
    nextLook = board.clock + 1000
    let arrived = board.receive()
    if !arrived.isEmpty { perform(conversation.receive(arrived, now: now)) }
    if let stored = storing, board.clock >= stored.until {
      storing = nil
      perform(conversation.settled(stored.identity, .stored, now: now))
    }
    if let due = conversation.nextDeadline, due <= now { perform(conversation.tick(now: now)) }
  }

  private func perform(_ actions: [ConversationAction]) {
    for action in actions {
      switch action {
      case .send(let bytes):
        if bytes.count > 3, bytes[3] == FrameType.go.rawValue { wentAt = wentAt ?? board.clock }
        board.send(bytes)
      case .leaseWanted(let wish):
        let lease = authority.lease(for: wish)
        perform(conversation.leaseIssued(lease, nonce: wish.nonce, allowed: true, now: now))
      case .offered(let identity, _, _):
        perform(conversation.judged(identity, .wanted, now: now))
      case .complete(let identity, _, let bytes):
        spooled.append(bytes.count)
        storing = (identity, board.clock + Self.storingTime)
      case .warning(let text): warnings.append(text)
      case .notProvisioned: warnings.append("not provisioned")
      case .console, .hello, .leaseAnswered, .leaseKept, .uploadAwaited, .counted, .starting: break
      }
    }
  }

  /// Crashes the application with so many bytes of RAM that look random in its dump.
  func crash(bytes: Int) throws {
    var generator = SeededGenerator(seed: 1)
    try board.setMemory(at: 0x2000_1000, to: generator.bytes(bytes))
    board.run {
      _ = CrashCapture.register(address: 0x2000_1000, length: UInt32(bytes), id: 1)
    }
    board.runFault {
      withUnsafePointer(to: makeFaultContext()) { martlet_capture_fault($0) }
    }
  }
}

@Suite struct StartTimeTests {
  @Test func `a dump of 16 KiB holds the application up for half a second at most`() throws {
    let desk = try Desk()
    desk.boot()
    desk.run { desk.hasConsent }
    try desk.crash(bytes: 11_700)
    desk.boot()
    let seconds = Double(desk.board.clock) / 1_000_000
    #expect(desk.agent?.startReason == .hostSaidGo)
    #expect(desk.spooled.count == 1)
    #expect(desk.spooled.allSatisfy { (16_000...16_800).contains($0) })
    #expect(desk.warnings.isEmpty)
    #expect(desk.board.counters.overruns == 0)
    Figure.report("start.upload.seconds", seconds, "s")
    #expect(seconds <= 0.5)
    let wentAt = try #require(desk.wentAt)
    let afterGo = Int(desk.board.clock - wentAt)
    Figure.report("start.go.us", afterGo, "us")
    #expect(afterGo < 1000)
  }
}
