// One time line for everything in the bridge that waits: durations since the clock was made.

/// A clock whose instants are plain durations, so that state machines can be handed the time.
public struct BridgeClock: Sendable {
  private let elapsed: @Sendable () -> Duration
  private let wait: @Sendable (Duration) async throws -> Void

  /// Counts from now on `clock`.
  public init<Base: Clock>(_ clock: Base) where Base.Duration == Duration {
    let origin = clock.now
    elapsed = { origin.duration(to: clock.now) }
    wait = { try await clock.sleep(until: origin.advanced(by: $0), tolerance: nil) }
  }

  /// The machine's clock. It stands still while the machine sleeps.
  public static var system: BridgeClock { BridgeClock(SuspendingClock()) }

  /// The time since the clock was made.
  public var now: Duration { elapsed() }

  /// Waits until ``now`` has reached `instant`.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  public func sleep(until instant: Duration) async throws { try await wait(instant) }
}
