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

@Suite struct FetchWindowTests {
  /// 1,024 bytes of content in a frame.
  private func window() -> FetchWindow { FetchWindow(transfer: 1, largestFrame: 1_035) }

  @Test func `a dump of 64 KiB is asked for at once, a longer one in quarters`() {
    var window = window()
    let whole = window.refill(missing: RangeSet(128..<65_536))
    let more = window.refill(missing: RangeSet(128..<65_536))
    #expect(whole == [128..<65_536])
    #expect(more.isEmpty)

    window = self.window()
    let quarter = 16 << 10
    let asked = window.refill(missing: RangeSet(128..<200_000))
    #expect(asked == (0..<4).map { 128 + $0 * quarter..<128 + ($0 + 1) * quarter })
    window.answered(128..<128 + quarter)
    let next = window.refill(missing: RangeSet(128 + quarter..<200_000))
    #expect(next == [128 + 4 * quarter..<128 + 5 * quarter])
  }

  @Test func `a hole is asked for again as soon as a later answer shows it`() {
    var window = window()
    var missing = RangeSet(0..<10_240)
    let first = window.refill(missing: missing)
    #expect(first == [0..<10_240])
    window.answered(0..<1_024)
    window.answered(2_048..<3_072)
    missing.remove(contentsOf: 0..<1_024)
    missing.remove(contentsOf: 2_048..<3_072)
    let hole = window.refill(missing: missing)
    #expect(hole == [1_024..<2_048])
    #expect(window.asked == [3_072..<10_240, 1_024..<2_048])
    // The hole's answer shows that the rest was lost, too.
    window.answered(1_024..<2_048)
    missing.remove(contentsOf: 1_024..<2_048)
    let rest = window.refill(missing: missing)
    #expect(rest == [3_072..<10_240])
  }

  @Test func `a line that lost a window is asked for less at once, and for a frame at least`() {
    var window = window()
    let all = window.refill(missing: RangeSet(0..<50_000))
    #expect(all == [0..<50_000])
    window.restart(longestRange: 5_000)
    #expect(window.transfer == 2)
    #expect(window.owns(transfer: 1))
    let asked = window.refill(missing: RangeSet(0..<50_000))
    #expect(asked == (0..<4).map { $0 * 5_000..<($0 + 1) * 5_000 })
    window.restart(longestRange: 1)
    let least = window.refill(missing: RangeSet(0..<50_000))
    #expect(least.first == 0..<1_024)
  }
}

@Suite struct FetchTimerTests {
  @Test func `a line that has shown its pace is not waited for longer than that`() {
    var timer = FetchTimer()
    timer.start(now: .zero)
    #expect(timer.deadline == .milliseconds(200))
    timer.answered(now: .milliseconds(3), bytes: 1_000, isNew: true, isLate: false)
    for i in 1...40 {
      timer.answered(now: .milliseconds(3 + 10 * i), bytes: 1_000, isNew: true, isLate: false)
    }
    #expect(timer.deadline - .milliseconds(403) == FetchTimer.slack + .milliseconds(20))
    #expect((49_000...51_000).contains(timer.bytes(in: .milliseconds(500)) ?? 0))
  }

  @Test func `a strike that was too early teaches the pace`() {
    var timer = FetchTimer()
    timer.start(now: .zero)
    timer.answered(now: .milliseconds(10), bytes: 1_000, isNew: true, isLate: false)
    let isOver = timer.isOver(now: timer.deadline)
    #expect(isOver)
    timer.struck(now: timer.deadline)
    timer.answered(now: .milliseconds(310), bytes: 1_000, isNew: true, isLate: true)
    #expect(timer.pace == .milliseconds(300))
    // A pause that ends with the window lost does not.
    timer.struck(now: .milliseconds(1_000))
    timer.answered(now: .milliseconds(2_000), bytes: 1_000, isNew: true, isLate: false)
    #expect(timer.pace == .milliseconds(300))
  }

  @Test func `a host that slept looks into its buffers before it takes a window for lost`() {
    var timer = FetchTimer()
    timer.start(now: .zero)
    let late = timer.deadline + .milliseconds(100)
    let isOver = timer.isOver(now: late)
    #expect(!isOver)
    #expect(timer.deadline == late + FetchTimer.lateness)
    let isOverNow = timer.isOver(now: late + .seconds(1))
    #expect(isOverNow)
  }
}
