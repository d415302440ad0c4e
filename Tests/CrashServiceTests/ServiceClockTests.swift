// Time, while the system's clock stands wrong.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ServiceClockTests {
  private static let day: TimeInterval = 86_400

  @Test func `a clock that runs is followed, and one that is set by seconds`() {
    let system = TestClock()
    let clock = system.watched
    system.advance(seconds: 100 * Self.day)
    #expect(clock.now == system.now)
    system.jump(seconds: 200)
    #expect(clock.now == system.now)
    system.jump(seconds: -250)
    #expect(clock.now == system.now)
    #expect(clock.condition == .steady)
  }

  @Test(arguments: [30 * day, 301, -400, -3 * day])
  func `a jump is not followed, and forgotten when it is taken back`(jump: TimeInterval) {
    let system = TestClock()
    let clock = system.watched
    let before = system.now
    system.jump(seconds: jump)
    system.advance(seconds: 60)
    #expect(clock.now == before + 60)
    #expect(clock.condition == (jump > 0 ? .ahead(.seconds(jump)) : .behind(.seconds(-jump))))
    system.jump(seconds: -jump)
    #expect(clock.now == before + 60)
    #expect(clock.condition == .steady)
  }

  @Test(arguments: [30 * day, -3 * day])
  func `a clock that runs for an hour where it stands is believed`(jump: TimeInterval) {
    let system = TestClock()
    let clock = system.watched
    system.jump(seconds: jump)
    #expect(clock.condition != .steady)
    system.advance(seconds: 3599)
    #expect(clock.now == system.now - jump)
    system.advance(seconds: 1)
    #expect(clock.now == system.now)
    #expect(clock.condition == .steady)
  }

  @Test func `a clock that goes on jumping is not believed`() {
    let system = TestClock()
    let clock = system.watched
    let start = system.now
    for _ in 0..<10 {
      system.jump(seconds: Self.day)
      _ = clock.now
      system.advance(seconds: 3000)
    }
    #expect(clock.now == start + 30_000)
  }

  @Test func `a clock that stands before what was stored has jumped back`() {
    let system = TestClock()
    let clock = system.watched
    clock.advance(to: system.now + Self.day)
    #expect(clock.now == system.now + Self.day)
    #expect(clock.condition == .behind(.seconds(Self.day)))
  }

  // MARK: - In the service

  @Test func `a clock a month ahead deletes nothing until it is believed`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      bench.clock.jump(seconds: 40 * Self.day)
      _ = try await bench.service.deleteOverdue()
      #expect(try await bench.dumps().count == 1)
      let answer = try await bench.get("/readyz")
      #expect(answer.status == .serviceUnavailable)
      #expect(answer.headers[.retryAfter] == "5")
      let wrong = try answer.decoded(ReadinessReport.self).checks.filter { !$0.isOK }
      #expect(wrong.map(\.name) == ["clock"])
      #expect(wrong.first?.message?.contains("ahead by 3456000 s") == true)

      bench.clock.jump(seconds: -40 * Self.day)
      #expect(try await bench.get("/readyz").status == .ok)
      bench.clock.jump(seconds: 40 * Self.day)
      _ = try await bench.get("/readyz")
      bench.clock.advance(seconds: 3600)
      #expect(try await bench.get("/readyz").status == .ok)
      _ = try await bench.service.deleteOverdue()
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `what was deleted stays so when the clock goes back`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      let id = try #require(try await bench.dumps().first?.id)
      bench.clock.advance(seconds: 30 * Self.day)
      _ = try await bench.service.deleteOverdue()
      for _ in 0..<2 {
        bench.clock.jump(seconds: -15 * Self.day)
        #expect(try await bench.dumps().isEmpty)
        #expect(try await bench.get(DumpPath.content(id)).status == .notFound)
        bench.clock.advance(seconds: 3600)
      }
    }
  }

  @Test func `a clock that went back does not keep dumps for longer`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      bench.clock.advance(seconds: 29 * Self.day - 1800)
      _ = try await bench.service.deleteOverdue()
      #expect(try await bench.dumps().count == 1)
      bench.clock.jump(seconds: -20 * Self.day)
      _ = try await bench.service.deleteOverdue()
      bench.clock.advance(seconds: 1800)
      _ = try await bench.service.deleteOverdue()
      #expect(try await bench.dumps().isEmpty)
    }
  }
}
