// How often somebody may ask.

import Foundation
import ServiceAPI
import Synchronization

/// A bucket for each caller, which fills with what it may spend in a second, and holds ten seconds of it, one at
/// least.
final class RateLimiter: Sendable {
  private struct Bucket {
    var left: Double
    var at: Duration
  }

  /// Callers that are remembered at most. Beyond it the half goes that has asked for least.
  private static let most = 10_000
  private static let seconds = 10.0

  private let rate: Double
  private let uptime: @Sendable () -> Duration
  private let buckets = Mutex<[String: Bucket]>([:])

  /// - Parameters:
  ///   - rate: per second; 0 for no limit.
  ///   - uptime: since an arbitrary moment, and never back.
  init(rate: Double, uptime: @escaping @Sendable () -> Duration) {
    self.rate = rate
    self.uptime = uptime
  }

  /// Spends one of what a caller has.
  /// - Throws: ``ServiceFailure`` with 429 when nothing is left, and says for how long.
  func spend(_ caller: String) throws(ServiceFailure) {
    try take(caller, 1)
  }

  /// Refuses a caller that has nothing left, and spends nothing.
  func check(_ caller: String) throws(ServiceFailure) {
    try take(caller, 0)
  }

  private var full: Double { max(1, rate * Self.seconds) }

  /// What is in a bucket by now.
  private func level(_ bucket: Bucket, _ now: Duration) -> Double {
    min(full, bucket.left + (now - bucket.at) / .seconds(1) * rate)
  }

  private func take(_ caller: String, _ amount: Double) throws(ServiceFailure) {
    guard rate > 0 else { return }
    let now = uptime()
    let missing: Double = buckets.withLock { buckets in
      var bucket = buckets[caller] ?? Bucket(left: full, at: now)
      bucket.left = level(bucket, now)
      bucket.at = now
      guard bucket.left >= 1 else { return 1 - bucket.left }
      bucket.left -= amount
      if buckets[caller] == nil, amount > 0, buckets.count >= Self.most {
        // Whoever has most left loses least by being forgotten. Half at once: to look for one of them each time
        // would make every new caller as dear as all of the others.
        let busiest = buckets.sorted { level($0.value, now) < level($1.value, now) }
        buckets = Dictionary(
          busiest.prefix(Self.most / 2).map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
      }
      if amount > 0 { buckets[caller] = bucket }
      return 0
    }
    guard missing > 0 else { return }
    throw ServiceFailure(
      .tooManyRequests, code: "TooManyRequests",
      message: "There were too many requests from this caller. Wait as long as Retry-After says.",
      retryAfter: max(1, Int((missing / rate).rounded(.up))))
  }
}

/// The limits of every kind.
struct RequestRates: Sendable {
  let logins: RateLimiter
  let addresses: RateLimiter
  let failedLogins: RateLimiter

  init(_ limits: RateLimits, uptime: @escaping @Sendable () -> Duration) {
    logins = RateLimiter(rate: limits.requestsPerLogin, uptime: uptime)
    addresses = RateLimiter(rate: limits.requestsPerAddress, uptime: uptime)
    failedLogins = RateLimiter(rate: limits.failedLoginsPerAddress, uptime: uptime)
  }
}
