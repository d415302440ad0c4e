// How much a spool keeps and for how long, and the clocks it reads.

import Foundation

/// The bounds of a spool.
public struct SpoolLimits: Sendable {
  /// The longest that the design lets crash data live anywhere.
  public static let longestAge = Duration.seconds(29 * 86_400)

  /// The most bytes of dumps that are kept, their rows and the database's own pages not counted.
  public var bytes: Int
  /// Nothing older is kept; at most ``longestAge``.
  public var age: Duration
  /// Dumps of one fingerprint of one device beyond which the rest is surplus, which goes first. What
  /// a lease says unless it says otherwise.
  public var dumpsPerFingerprint: Int

  public init(
    bytes: Int = 256 << 20, age: Duration = longestAge, dumpsPerFingerprint: Int = 3
  ) {
    self.bytes = max(0, bytes)
    self.age = min(max(age, .zero), Self.longestAge)
    self.dumpsPerFingerprint = max(1, dumpsPerFingerprint)
  }
}

/// The two clocks of a spool.
public struct SpoolClock: Sendable {
  /// The time of day. It may jump either way, and may be years off.
  public var wall: @Sendable () -> Date
  /// Time since some moment before this process began, the machine's sleep included. It never jumps.
  public var uptime: @Sendable () -> Duration

  public init(
    wall: @escaping @Sendable () -> Date, uptime: @escaping @Sendable () -> Duration
  ) {
    self.wall = wall
    self.uptime = uptime
  }

  /// The machine's clocks.
  public static var system: SpoolClock {
    let origin = ContinuousClock.now
    return SpoolClock(wall: { Date() }, uptime: { origin.duration(to: .now) })
  }
}
