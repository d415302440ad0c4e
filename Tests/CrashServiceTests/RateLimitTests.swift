// How often one caller may ask.

import Foundation
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct RateLimitTests {
  private final class Uptime: Sendable {
    private let time = Mutex(Duration.zero)
    var now: Duration { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 += duration } }
  }

  private func spent(_ limiter: RateLimiter, _ caller: String, most: Int = 1000) -> Int {
    (0..<most).first { _ in
      do throws(ServiceFailure) {
        try limiter.spend(caller)
        return false
      } catch {
        return true
      }
    } ?? most
  }

  @Test func `ten seconds' worth is there at once, then as much as a second brings`() {
    let uptime = Uptime()
    let limiter = RateLimiter(rate: 5) { uptime.now }
    #expect(spent(limiter, "a") == 50)
    #expect(spent(limiter, "b") == 50, "another caller has its own")
    uptime.advance(.seconds(1))
    #expect(spent(limiter, "a") == 5)
    uptime.advance(.seconds(1000))
    #expect(spent(limiter, "a") == 50)
  }

  @Test func `a refusal says for how long`() {
    let uptime = Uptime()
    let limiter = RateLimiter(rate: 0.1) { uptime.now }
    #expect(spent(limiter, "a") == 1)
    let failure = #expect(throws: ServiceFailure.self) { try limiter.spend("a") }
    #expect(failure?.status == .tooManyRequests)
    #expect(failure?.retryAfter == 10)
    uptime.advance(.seconds(10))
    #expect(spent(limiter, "a") == 1)
  }

  @Test func `without a limit nothing is counted, and many callers are forgotten in time`() {
    let uptime = Uptime()
    #expect(spent(RateLimiter(rate: 0) { uptime.now }, "a") == 1000)
    let limiter = RateLimiter(rate: 1) { uptime.now }
    #expect(spent(limiter, "busy") == 10)
    for number in 0..<10_500 { #expect(spent(limiter, "\(number)", most: 1) == 1) }
    #expect(spent(limiter, "busy") == 0, "whoever asked most is remembered")
  }

  @Test func `who guesses tokens is refused for a while`() async throws {
    try await ServiceBench.run(setUp: false, rates: .init(failedLoginsPerAddress: 0.001)) { bench in
      let guesser = bench.calling(as: .token(AccessToken().text))
      var statuses: [Int] = []
      for _ in 0..<3 {
        statuses.append(try await guesser.get(ServiceBench.catalog.path).status.code)
      }
      #expect(statuses == [401, 429, 429])
      let answer = try await guesser.get(ServiceBench.catalog.path)
      #expect(answer.headers[.retryAfter] != nil)
    }
  }
}
