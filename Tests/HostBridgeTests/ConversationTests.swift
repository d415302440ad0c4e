// The course of a visit on a good line.

import ConsentLease
import DumpFormat
import LinkProtocol
import Testing

@testable import HostBridge

@Suite struct ConversationTests {
  @Test func `every dump arrives whole, is stored, acknowledged, and then the application starts`()
  {
    let lab = Lab()
    lab.board.hold(key(3, 1), key(3, 2), key(5, 1))
    let dumps = lab.board.dumps
    lab.connect()
    lab.board.sayHello()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.started == .hostSaidGo)
    #expect(lab.hasSpooled(dumps))
    #expect(lab.completions == [key(3, 1), key(3, 2), key(5, 1)])
    #expect(lab.board.receipts.map(\.verdict) == [.stored, .stored, .stored])
    #expect(lab.board.dumps.isEmpty)
    #expect(lab.warnings.isEmpty)
    #expect(lab.board.fetches.allSatisfy { $0.offset >= 128 })
  }

  @Test func `a clean transfer costs at most two percent beside the dump`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 40_000)
    let size = lab.board.dumps[key(1, 1)]?.count ?? 0
    lab.connect()
    #expect(lab.run { !$0.completions.isEmpty })
    #expect(lab.board.largestData == 1_024 - 11)
    #expect(Double(lab.board.dataBytes) < 1.02 * Double(size))
  }

  @Test func `nothing is fetched before the board holds a lease`() {
    let lab = Lab()
    lab.consent = .silent
    lab.board.hold(key(1, 1))
    lab.connect()
    lab.run(for: .milliseconds(1_900)) { _ in false }
    #expect(!lab.board.seen.contains(.next))
    guard let wish = lab.wishes.first else {
      Issue.record("no lease was asked for")
      return
    }
    #expect(wish.nonce == lab.board.hello.nonce.array)
    #expect(wish.device == String(repeating: "a5", count: 64))
    lab.answerLease(wish, allowed: true)
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.completions == [key(1, 1)])
    #expect(lab.leases.map(\.state) == [.allowed])
  }

  @Test func `a valid lease on the board does not wait for the service`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.consent = .silent
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run(for: .milliseconds(100)) { $0.board.started == .hostSaidGo })
    #expect(lab.hasSpooled([key(1, 1): sampleDump(key(1, 1))]))
    // The new lease reaches the application.
    lab.wishes.first.map { lab.answerLease($0, allowed: true) }
    #expect(lab.run(for: .seconds(1)) { $0.leases.map(\.refusal) == [.accepted] })
  }

  @Test func `a denial reaches the board, and then the application starts`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.consent = .denied
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.hello.leaseState == .denied)
    #expect(lab.completions.isEmpty)
    #expect(lab.board.receipts.isEmpty)
    #expect(lab.board.dumps.count == 1)
  }

  @Test func `a board that ignores a denial gets nothing fetched`() {
    let lab = Lab(
      board: FakeBoard(lease: .allowed), settings: ConversationSettings(pollInterval: .seconds(1)))
    lab.consent = .denied
    lab.board.ignoresLeases = true
    lab.board.hold(key(1, 1))
    lab.connect()
    lab.run(for: .seconds(10)) { _ in false }
    #expect(lab.board.started != nil)
    #expect(lab.completions.isEmpty)
    #expect(lab.spooled.isEmpty)
  }

  @Test func `a denial in the middle of a transfer ends it`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.consent = .silent
    lab.board.hold(key(1, 1), size: 100_000)
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 20_000 })
    lab.wishes.first.map { lab.answerLease($0, allowed: false) }
    #expect(lab.conversation.partial == nil)
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.completions.isEmpty)
    #expect(lab.spooled.isEmpty)
  }

  @Test func `without lease and service the application starts at once`() {
    let lab = Lab()
    lab.consent = .unreachable
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run(for: .milliseconds(100)) { $0.board.started != nil })
    #expect(!lab.board.seen.contains(.next))
    // The service is asked again sooner than at the next poll.
    lab.consent = .allowed
    #expect(lab.run(for: .seconds(6)) { !$0.completions.isEmpty })
  }

  @Test func `a silent service keeps the application waiting for two seconds at most`() {
    let lab = Lab()
    lab.consent = .silent
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run(for: .milliseconds(2_100)) { $0.board.started != nil })
    // The answer comes late and is passed on all the same.
    lab.wishes.first.map { lab.answerLease($0, allowed: true) }
    #expect(lab.run(for: .seconds(1)) { !$0.completions.isEmpty })
  }

  @Test func `a board with nothing to forward starts by itself and is visited all the same`() {
    let lab = Lab()
    lab.board.hello.phase = .application
    lab.connect()
    lab.board.sayHello()
    lab.board.start(.nothingToForward)
    #expect(lab.run(for: .seconds(1)) { $0.board.hello.leaseState == .allowed })
    #expect(lab.starts == [.nothingToForward])
    #expect(!lab.board.seen.contains(.go))
    lab.board.reboot(phase: .application)
    lab.board.start(.nothingToForward)
    #expect(lab.run(for: .seconds(1)) { $0.wishes.count == 2 && $0.starts.count == 2 })
  }

  @Test func `a lease for an old nonce is asked for anew`() {
    let lab = Lab()
    lab.consent = .silent
    lab.connect()
    #expect(lab.run { !$0.wishes.isEmpty })
    lab.board.freshNonce()
    lab.consent = .allowed
    lab.wishes.first.map { lab.answerLease($0, allowed: true) }
    #expect(lab.run { $0.board.hello.leaseState == .allowed })
    #expect(lab.leases.map(\.refusal) == [.otherNonce, .accepted])
  }

  @Test func `a dump that is spooled already is acknowledged without a transfer`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.judge = { _ in .settled(.stored) }
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.stored])
    #expect(lab.board.fetches.isEmpty)
  }

  @Test func `a full spool leaves the dump on the board`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.store = { _ in .notNow }
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.notNow])
    #expect(lab.board.dumps.count == 1)
  }

  @Test func `console text is shown apart from frames`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1))
    lab.board.onData = { board, offset in board.print("at \(offset)\n") }
    lab.board.print("boot\n")
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    lab.board.print("> ")
    lab.run(for: .milliseconds(50)) { _ in false }
    #expect(!lab.console.hasSuffix("> "))
    #expect(lab.run(for: .milliseconds(100)) { $0.console.hasSuffix("> ") })
    #expect(lab.console == "boot\nat 128\nat 1141\nat 2154\nat 3167\nat 4180\n> ")
    #expect(lab.completions == [key(1, 1)])
  }

  @Test func `a board of another protocol version is left alone with a warning`() {
    let lab = Lab()
    lab.board.hello.lowestVersion = 2
    lab.board.hello.highestVersion = 3
    lab.connect()
    #expect(lab.run { !$0.warnings.isEmpty })
    #expect(lab.wishes.isEmpty)
    #expect(!lab.board.seen.contains(.welcome))
  }
}
