// The load's arithmetic: when requests are due, and what is made of many latencies.

import Testing

@testable import martlet_load

@Suite struct LoadScheduleTests {
  @Test func `requests are due in even steps from the start on`() {
    let schedule = LoadSchedule(start: 1_000, rate: 4)
    #expect((0..<3).map(schedule.due) == [1_000, 250_001_000, 500_001_000])
    #expect(schedule.wait(for: 1, at: 1_000) == 250_000_000)
    #expect(schedule.wait(for: 1, at: 250_001_000) == 0)
    #expect(schedule.wait(for: 1, at: 900_000_000) == 0)
  }

  @Test func `a rate that is no whole number keeps its pace for a day`() {
    let schedule = LoadSchedule(start: 0, rate: 1157.407)
    #expect(abs(Double(schedule.due(100_000_000)) / 1e9 - 100_000_000 / 1157.407) < 0.001)
  }

  @Test func `quantiles are values that occurred`() {
    let values = (1...100).map { $0 }.shuffled()
    #expect(values.quantile(0.99) == 99)
    #expect(values.quantile(1) == 100)
    #expect(values.quantile(0) == 1)
    #expect([7].quantile(0.5) == 7)
    #expect([3, 1, 2].quantile(0.5) == 2)
    #expect([Int]().quantile(0.5) == nil)
  }

  @Test func `the median of an even number lies between the middle two`() {
    #expect([4.0, 1, 3, 2].median == 2.5)
    #expect([9.0, 1, 5].median == 5)
    #expect([Double]().median == 0)
  }

  @Test func `growth holds the second half against the first`() {
    #expect(abs([100.0, 100, 100, 110, 110, 110].growth - 0.1) < 1e-9)
    #expect([100.0, 100, 90, 90].growth < 0)
    #expect([Double]().growth == 0)
    #expect([5.0].growth == 0)
  }

  @Test func `p99 counts from when a request was due, and by its status`() {
    var result = LoadResult()
    result.latencies = [201: (1...100).map { $0 * 1_000_000 }, 503: [900_000_000]]
    result.answerTimes = [201: Array(repeating: 500_000, count: 100), 503: [2_000_000]]
    result.statuses = [201: 100, 503: 1]
    result.seconds = 2
    #expect(result.milliseconds(0.99) == 99)
    #expect(result.answerMilliseconds(1, 429...503) == 2)
    #expect(result.rate() == 50)
    #expect(result.milliseconds(0.5, 400...499) == 0)
  }
}
