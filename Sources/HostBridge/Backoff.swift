// How long to wait before trying again: exponential, with full jitter.

/// Delays that grow with each failure and never fall into step with those of other bridges.
///
/// Each delay is drawn evenly from zero to `base` doubled with every attempt, at most `cap`.
public struct Backoff: Sendable {
  public let base: Duration
  public let cap: Duration
  /// Failures since the last ``reset()``.
  public private(set) var attempts = 0

  public init(base: Duration, cap: Duration) {
    self.base = base
    self.cap = cap
  }

  /// The delay before the next attempt.
  public mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
    // Beyond 20 doublings every cap in use is long reached.
    let ceiling = min(cap, base * (1 << min(attempts, 20)))
    attempts += 1
    return ceiling * Double.random(in: 0...1, using: &generator)
  }

  /// Starts small again after a success.
  public mutating func reset() { attempts = 0 }
}
