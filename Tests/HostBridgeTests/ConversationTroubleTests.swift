// Lost bytes, lost lines, boards that reset, lie or fall silent.

import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct ConversationTroubleTests {
  @Test(arguments: [0.01, 0.02, 0.04])
  func `a bad line costs time and nothing else`(rate: Double) {
    var seeds = SeededGenerator.fromEnvironment()
    for _ in 0..<12 {
      let seed = seeds.next()
      let lab = Lab(faults: .everything(rate: rate), seed: seed)
      lab.board.hello.largestFrame = 256
      lab.board.hold(key(3, 1), key(3, 2), size: 3_000)
      let dumps = lab.board.dumps
      lab.connect()
      let isDone = lab.run(for: .seconds(600)) { $0.board.dumps.isEmpty }
      #expect(isDone, "rate \(rate), seed \(seed): \(lab.conversation.stage)")
      #expect(lab.hasSpooled(dumps), "rate \(rate), seed \(seed)")
    }
  }

  @Test func `after a disconnect the transfer goes on where it stopped`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 60_000)
    let dump = lab.board.dumps[key(1, 1)]
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 30_000 })
    lab.disconnect()
    let before = lab.conversation.partial?.missing.ranges.first?.lowerBound ?? 0
    #expect(before > 20_000)
    lab.run(for: .seconds(3)) { _ in false }
    let fetched = lab.board.fetches.count
    lab.connect()
    #expect(lab.run { !$0.completions.isEmpty })
    #expect(lab.hasSpooled([key(1, 1): dump]))
    #expect(lab.board.fetches[fetched...].allSatisfy { Int($0.offset) >= before })
  }

  @Test func `another dump under the same key is not mixed with the first`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 60_000)
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 30_000 })
    lab.disconnect()
    var other = DumpBuilder(kind: .busFault, key: key(1, 1))
    other.addMemory(at: 0, role: .code, [UInt8](repeating: 0x55, count: 60_000))
    lab.board.dumps[key(1, 1)] = other.build()
    lab.connect()
    #expect(lab.run { !$0.completions.isEmpty })
    #expect(lab.hasSpooled([key(1, 1): other.build()]))
    #expect(lab.warnings.isEmpty)
  }

  @Test func `a dump that is damaged on the board is fetched three times and then left there`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2))
    lab.board.dumps[key(1, 1)]?[1_000] ^= 1
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.notNow, .stored])
    #expect(lab.completions == [key(1, 2)])
    #expect(lab.warnings.count == 1)
    #expect(lab.board.fetches.count { $0.key == key(1, 1) && $0.offset == 128 } == 3)
  }

  @Test func `a lying prologue is not fetched`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2))
    lab.board.dumps[key(1, 1)]?[97] ^= 0x40
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.notNow, .stored])
    #expect(lab.board.fetches.allSatisfy { $0.key == key(1, 2) })
  }

  @Test func `a reset in the middle of a transfer begins a new visit and keeps what arrived`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 60_000)
    let dump = lab.board.dumps[key(1, 1)]
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 30_000 })
    lab.board.reboot()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.hasSpooled([key(1, 1): dump]))
    #expect(lab.board.dataBytes < 80_000)
    #expect(lab.hellos == 2)
  }

  @Test func `a crash after the start is noticed by the new hello`() {
    let lab = Lab()
    lab.connect()
    #expect(lab.run { $0.starts == [.hostSaidGo] })
    lab.board.hold(key(8, 1))
    lab.board.reboot()
    #expect(lab.run(for: .seconds(2)) { $0.starts.count == 2 })
    #expect(lab.completions == [key(8, 1)])
  }

  @Test func `an application that starts by itself is still served`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 60_000)
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 30_000 })
    lab.board.start(.timeLimit)
    #expect(lab.run { !$0.completions.isEmpty })
    lab.run(for: .seconds(1)) { _ in false }
    #expect(lab.starts == [.timeLimit])
    #expect(!lab.board.seen.contains(.go))
  }

  @Test func `a board that falls silent is searched for until it answers`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), size: 60_000)
    lab.connect()
    #expect(lab.run { $0.board.dataBytes > 30_000 })
    lab.board.isDeaf = true
    #expect(lab.run(for: .seconds(60)) { $0.conversation.stage == .searching })
    #expect(lab.warnings.count == 1)
    lab.board.isDeaf = false
    #expect(lab.run(for: .seconds(5)) { !$0.completions.isEmpty })
  }

  @Test func `a boot agent that waits for the disk is kept from leaving`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1))
    lab.judge = { _ in .wanted }
    lab.connect()
    // Nobody answers the offer: the conversation must not fall silent for 5 s.
    var last = lab.board.seen.count
    var silent = Duration.zero
    var longest = Duration.zero
    lab.board.refusesFetch = nil
    lab.board.isDeaf = false
    lab.board.onData = { board, _ in board.dumps = [:] }
    lab.run(for: .seconds(20)) { lab in
      silent = lab.board.seen.count == last ? silent + .milliseconds(1) : .zero
      last = lab.board.seen.count
      if lab.board.started == nil { longest = max(longest, silent) }
      return false
    }
    #expect(longest < .seconds(3))
  }

  @Test func `a receipt that the board cannot write is repeated three times`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1))
    lab.board.answersReceipt = .flashFailed
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.count == 3)
    #expect(lab.warnings.count == 1)
  }

  @Test(arguments: [RefusalCode.noSuchDump, .outOfRange, .flashFailed, .noLease])
  func `a refused fetch does not hold the application up`(code: RefusalCode) {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2))
    lab.board.refusesFetch = code
    lab.connect()
    #expect(lab.run(for: .seconds(3)) { $0.board.started != nil })
    #expect(lab.completions.isEmpty)
    #expect(lab.board.dumps.count == 2)
  }

  @Test func `a mebibyte of console text around frames is shown to the last byte`() {
    var generator = SeededGenerator.fromEnvironment()
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2), size: 100_000)
    let dumps = lab.board.dumps
    var printed: [UInt8] = []
    // Anything but zeros: half of it no UTF-8, one byte in 256 the end of a line. Right behind a frame
    // stands a letter.
    lab.board.onData = { board, _ in
      // Some 200 pieces, of 1.4 million bytes in all.
      let count = Int.random(in: 1...14_000, using: &generator)
      let text = [0x61, 0x62] + generator.bytes(count).map { $0 == 0 ? 0xFF : $0 }
      printed += text
      board.print(bytes: text)
    }
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    lab.run(for: .milliseconds(200)) { _ in false }
    #expect(printed.count > 900_000)
    let isWhole = lab.consolePieces.flatMap { $0 } == printed
    #expect(isWhole, "seed \(generator.seed)")
    #expect(lab.hasSpooled(dumps))
    #expect(lab.warnings.isEmpty)
  }

  @Test func `text that begins like a frame is shown like any other`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1))
    // The marker of a frame is the second byte of these.
    lab.board.onData = { board, _ in board.print("ёлка 鑄\n") }
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    let lines = lab.board.fetches.isEmpty ? 0 : 5
    #expect(lab.console == String(repeating: "ёлка 鑄\n", count: lines))
    // Nothing follows: it is shown when the line has been quiet for a moment.
    lab.board.print("鑄")
    lab.run(for: .milliseconds(50)) { _ in false }
    #expect(!lab.console.hasSuffix("鑄"))
    #expect(lab.run(for: .milliseconds(300)) { $0.console.hasSuffix("鑄") })
    // It may also go on for long.
    lab.board.sayHello()
    let long = String(repeating: "ёж ", count: 10_000)
    lab.board.print(long)
    #expect(lab.run(for: .milliseconds(500)) { $0.console.hasSuffix("鑄" + long) })
    #expect(lab.completions == [key(1, 1)])
    #expect(lab.warnings.isEmpty)
  }

  @Test func `text without an end of line is let go in pieces`() {
    let lab = Lab()
    lab.connect()
    for _ in 0..<30 { lab.board.print(bytes: [UInt8](repeating: 0x41, count: 1_000)) }
    lab.run(for: .milliseconds(29)) { _ in false }
    // What is held back is bounded.
    let shown = lab.consolePieces.reduce(0) { $0 + $1.count }
    #expect((30_000 - 2 * ConsoleLines.longest...30_000).contains(shown))
    #expect(lab.run(for: .milliseconds(150)) { $0.console.count == 30_000 })
  }

  @Test func `noise is survived in every state`() {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<200 {
      let lab = Lab(seed: generator.next())
      lab.board.hold(key(1, 1))
      lab.connect()
      lab.run(for: .milliseconds(Int.random(in: 0...60, using: &generator))) { _ in false }
      var noise = generator.bytes(300)
      for i in stride(from: 0, to: 300, by: 7) { noise[i] = [0, 0x91, 2][i % 3] }
      _ = lab.conversation.receive(noise, now: lab.now)
      #expect(lab.run(for: .seconds(30)) { $0.board.dumps.isEmpty }, "seed \(generator.seed)")
    }
  }
}
