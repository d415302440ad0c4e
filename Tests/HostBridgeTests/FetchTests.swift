// What is asked for of a dump, when it is missed, and in frames of which size.

import Testing

@testable import HostBridge

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

@Suite struct FrameSizerTests {
  @Test func `a line that damages one frame in five gets smaller ones, down to the smallest`() {
    var sizer = FrameSizer(limit: 4_096)
    var sizes: [Int] = []
    for i in 0..<400 {
      let hasChanged =
        i % 5 == 0 ? sizer.noteDamaged(agreed: min(sizer.size, 1_035)) : sizer.noteWhole()
      if hasChanged { sizes.append(sizer.size) }
    }
    #expect(sizes == [517, 258, 129, 64])
  }

  @Test func `one damaged frame in a hundred changes nothing`() {
    var sizer = FrameSizer(limit: 4_096)
    var changes = 0
    for i in 0..<2_000 {
      let hasChanged = i % 100 == 50 ? sizer.noteDamaged(agreed: 1_035) : sizer.noteWhole()
      if hasChanged { changes += 1 }
    }
    #expect(changes == 0)
  }

  @Test func `a line that became good gets its large frames back`() {
    var sizer = FrameSizer(limit: 1_035)
    for _ in 0..<16 { _ = sizer.noteDamaged(agreed: sizer.size) }
    #expect(sizer.size == 64)
    for _ in 0..<128 * 4 { _ = sizer.noteWhole() }
    #expect(sizer.size == 1_024)
    for _ in 0..<128 { _ = sizer.noteWhole() }
    #expect(sizer.size == 1_035)
  }
}
