// When a dump is over, and which key goes with it.

import Foundation

/// The minute in which a device group's dumps were received: they have one key, and it is destroyed for
/// all of them at once.
struct RetentionSlot: Hashable, Sendable {
  /// Milliseconds of a minute.
  static let length: Int64 = 60_000

  static let minutesOfDay = RetentionPeriod.day / length

  /// ``Placement/groupID``.
  var group: String
  /// Minutes since 1970.
  var minute: Int64

  /// - Parameter time: milliseconds since 1970.
  init(group: String, time: Int64) {
    self.group = group
    minute = Self.minute(of: time)
  }

  init(group: String, minute: Int64) {
    self.group = group
    self.minute = minute
  }

  /// Days since 1970.
  var day: Int64 { Self.day(of: minute) }

  /// The day, since 1970, of a minute.
  static func day(of minute: Int64) -> Int64 { RetentionPeriod.dayNumber(minute * length) }

  /// The minute, since 1970, of a time in milliseconds.
  static func minute(of time: Int64) -> Int64 {
    time / length - (time % length < 0 ? 1 : 0)
  }
}

/// How long dumps are kept.
public enum RetentionPeriod {
  /// The longest period, days. A device group may have a shorter one, never a longer.
  public static let mostDays = 29

  /// Milliseconds of a day.
  static let day: Int64 = 86_400_000

  /// What was received in a minute before this one is over; minutes since 1970.
  ///
  /// A minute is over when its first moment is: no dump is ever older than its period, and none goes
  /// more than a minute before.
  /// - Parameters:
  ///   - days: 1 to ``mostDays``; others are taken for the nearest.
  ///   - now: milliseconds since 1970.
  static func firstKept(days: Int = mostDays, now: Int64) -> Int64 {
    let period = Int64(min(max(days, 1), mostDays)) * day
    return RetentionSlot.minute(of: now - period) + 1
  }

  /// The same as a time, milliseconds since 1970: what was received before it is over.
  static func horizon(days: Int = mostDays, now: Int64) -> Int64 {
    firstKept(days: days, now: now) * RetentionSlot.length
  }

  /// The day, UTC, since 1970 of a time in milliseconds.
  static func dayNumber(_ time: Int64) -> Int64 { time / day - (time % day < 0 ? 1 : 0) }
}
