// Several dumps under way at once: one fetched, the next one asked for, others stored.

import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct ConversationPipelineTests {
  @Test func `the next dump is fetched while the one before is stored`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .seconds(1)
    lab.board.hold(key(1, 1), key(1, 2), key(1, 3))
    let dumps = lab.board.dumps
    lab.connect()
    #expect(lab.run(for: .milliseconds(200)) { $0.completions.count == 3 })
    #expect(lab.board.receipts.isEmpty)
    #expect(lab.board.started == nil)
    // Storing takes 1 s in all, not each.
    #expect(lab.run(for: .milliseconds(1_100)) { $0.board.started == .hostSaidGo })
    #expect(lab.hasSpooled(dumps))
    #expect(lab.board.dumps.isEmpty)
    #expect(lab.warnings.isEmpty)
  }

  @Test func `the next dump is asked for before the one at hand is whole`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2), size: 20_000)
    lab.connect()
    #expect(lab.run { $0.board.seen.count { $0 == .next } == 2 })
    #expect(lab.completions.isEmpty)
    #expect(lab.run { $0.completions.count == 1 })
    // The moment the first is whole, the second is asked for: no question lies between.
    #expect(lab.run(for: .milliseconds(5)) { $0.board.fetches.last?.key == key(1, 2) })
  }

  @Test func `a slow spool stops the fetching, and the bridge holds a few dumps at most`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .seconds(3)
    for sequence in 1...12 { lab.board.hold(key(1, UInt32(sequence)), size: 2_000) }
    let dumps = lab.board.dumps
    lab.connect()
    var most = 0
    #expect(
      lab.run {
        most = max(most, $0.storing.count)
        return $0.board.started != nil
      })
    #expect(most == DumpPass.mostSettling)
    #expect(lab.hasSpooled(dumps))
    // The boot agent was not left alone for 5 s meanwhile.
    #expect(lab.board.started == .hostSaidGo)
  }

  @Test func `the application starts only when every receipt is answered`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .milliseconds(300)
    lab.board.hold(key(1, 1), key(1, 2))
    lab.connect()
    #expect(lab.run { $0.board.seen.contains(.tally) })
    // Counts do not wait for the spool; the start does.
    #expect(lab.board.receipts.isEmpty)
    #expect(!lab.board.seen.contains(.go))
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.stored, .stored])
  }

  @Test func `a dump that the spool does not take leaves the others their receipts`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .milliseconds(50)
    lab.store = { $0.key == key(1, 2) ? .notNow : .stored }
    lab.board.hold(key(1, 1), key(1, 2), key(1, 3))
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.receipts.map(\.verdict) == [.stored, .notNow, .stored])
    #expect(lab.board.dumps.keys.map { $0 } == [key(1, 2)])
  }

  @Test func `a denial while dumps are stored acknowledges none of them`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.consent = .silent
    lab.storingTime = .milliseconds(500)
    lab.board.hold(key(1, 1), key(1, 2))
    lab.connect()
    #expect(lab.run { $0.storing.count == 2 })
    lab.wishes.first.map { lab.answerLease($0, allowed: false) }
    #expect(lab.run { $0.board.started != nil })
    lab.run(for: .seconds(1)) { _ in false }
    #expect(lab.board.receipts.isEmpty)
    #expect(lab.board.hello.leaseState == .denied)
  }

  @Test func `a line that breaks while dumps are stored has them offered once more and not sent`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .milliseconds(100)
    lab.judge = { lab.spooled[$0.key] == nil ? .wanted : .settled(.stored) }
    lab.board.hold(key(1, 1), key(1, 2), size: 3_000)
    let dumps = lab.board.dumps
    lab.connect()
    #expect(lab.run { $0.storing.count == 2 })
    lab.disconnect()
    lab.run(for: .milliseconds(200)) { _ in false }
    let fetched = lab.board.fetches.count
    lab.connect()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.board.fetches.count == fetched)
    #expect(lab.hasSpooled(dumps))
    #expect(lab.board.dumps.isEmpty)
  }

  @Test func `a board that resets while dumps are stored is served from the start`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.storingTime = .milliseconds(100)
    lab.judge = { lab.spooled[$0.key] == nil ? .wanted : .settled(.stored) }
    lab.board.hold(key(1, 1), key(1, 2), key(1, 3), size: 3_000)
    let dumps = lab.board.dumps
    lab.connect()
    #expect(lab.run { $0.storing.count == 2 })
    lab.board.reboot()
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.hasSpooled(dumps))
    #expect(lab.board.dumps.isEmpty)
  }

  @Test func `a late refusal for the dump before does not end the transfer at hand`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1), key(1, 2), size: 20_000)
    let dumps = lab.board.dumps
    lab.connect()
    // A line that doubles frames: the board sees the first dump's FETCH again when it is gone.
    #expect(lab.run { $0.completions.count == 1 })
    let sequence = UInt8(3)
    let refused = hostFrame(.refused, sequence: sequence) {
      Refused(request: FrameType.fetch.rawValue, code: .noSuchDump).append(to: &$0)
    }
    #expect(!lab.conversation.fetchSequences.contains(sequence))
    lab.perform(lab.conversation.receive(refused, now: lab.now))
    #expect(lab.run { $0.board.started != nil })
    #expect(lab.hasSpooled(dumps))
  }
}
