// The time by which dumps are received and deleted, whatever somebody does to the system's clock.

import Foundation
import Synchronization

/// The system's clock, as long as it runs as clocks do.
///
/// Dumps are deleted for good, so a clock that stands wrong for a while must not do it: when the system's
/// clock jumps against the monotonic one, time goes on from where it was, until the system's clock is right
/// again or has run steadily for an hour in its new place. Then that is the time.
///
/// A jump of less than ``tolerance`` is followed at once: clocks are set by seconds all the time.
public final class ServiceClock: Sendable {
  /// How the system's clock stands to the time that was expected.
  public enum Condition: Equatable, Sendable {
    case steady
    /// It jumped ahead by so much.
    case ahead(Duration)
    /// It jumped back by so much.
    case behind(Duration)
  }

  /// The largest jump that is followed at once.
  public static let tolerance: Duration = .seconds(300)
  /// How long a clock runs steadily in a new place before that is believed.
  public static let probation: Duration = .seconds(3600)

  private struct State {
    /// The system's time less the monotonic one, seconds, as far as it is believed.
    var offset: TimeInterval
    /// The same where a clock that jumped stands, and since when (monotonic).
    var jumped: (offset: TimeInterval, since: Duration)?
  }

  private let wall: @Sendable () -> Date
  private let uptime: @Sendable () -> Duration
  private let state: Mutex<State>

  /// - Parameters:
  ///   - wall: the system's clock.
  ///   - uptime: since an arbitrary moment; goes on while the system sleeps and never jumps.
  ///   - latest: a moment that is known to be over, such as that of the last dump that was stored: a
  ///     clock that stands before it at the start has jumped back.
  public init(
    wall: @escaping @Sendable () -> Date = { Date() },
    uptime: @escaping @Sendable () -> Duration = systemUptime, latest: Date? = nil
  ) {
    self.wall = wall
    self.uptime = uptime
    let start = max(wall(), latest ?? .distantPast)
    state = Mutex(State(offset: start.timeIntervalSince1970 - uptime() / .seconds(1)))
  }

  /// The time.
  public var now: Date {
    let uptime = uptime()
    let offset = believedOffset(at: uptime)
    return Date(timeIntervalSince1970: offset + uptime / .seconds(1))
  }

  /// How the system's clock stands.
  public var condition: Condition {
    let uptime = uptime()
    let believed = believedOffset(at: uptime)
    guard let jumped = state.withLock({ $0.jumped }) else { return .steady }
    let jump = Duration.seconds(jumped.offset - believed)
    return jump > .zero ? .ahead(jump) : .behind(.zero - jump)
  }

  /// Raises the time to a moment that is known to be over.
  func advance(to moment: Date) {
    let uptime = uptime() / .seconds(1)
    state.withLock { $0.offset = max($0.offset, moment.timeIntervalSince1970 - uptime) }
  }

  private func believedOffset(at uptime: Duration) -> TimeInterval {
    let standing = wall().timeIntervalSince1970 - uptime / .seconds(1)
    let tolerance = Self.tolerance / .seconds(1)
    return state.withLock { state in
      if abs(standing - state.offset) <= tolerance {
        state.offset = standing
        state.jumped = nil
      } else if let jumped = state.jumped, abs(standing - jumped.offset) <= tolerance {
        state.jumped?.offset = standing
        if uptime - jumped.since >= Self.probation {
          state.offset = standing
          state.jumped = nil
        }
      } else {
        state.jumped = (standing, uptime)
      }
      return state.offset
    }
  }
}

/// The monotonic clock, which goes on while the system sleeps.
@Sendable public func systemUptime() -> Duration { processStart.duration(to: .now) }

private let processStart = ContinuousClock.now
