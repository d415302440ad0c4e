// Figures as people say them.

import Foundation

enum Words {
  /// `47 h 12 min`, `12 min`, `40 s`: the two largest units at most.
  static func duration(_ seconds: Double) -> String {
    let seconds = max(0, Int(min(seconds, 1e12)))
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60 % 60)
    // A lease lasts 48 hours at most: its hours are not days.
    if hours >= 72 { return "\(days) d \(hours % 24) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min" : "\(seconds) s"
  }

  /// How long ago something was.
  static func age(since date: Date, _ now: Date) -> String {
    duration(now.timeIntervalSince(date))
  }

  /// `2026-01-31 09:15:00 UTC`.
  static func time(_ date: Date) -> String {
    date.formatted(
      Date.ISO8601FormatStyle(dateTimeSeparator: .space, timeZoneSeparator: .omitted)
        .year().month().day().time(includingFractionalSeconds: false)) + " UTC"
  }

  /// `3 dumps`, `1 dump`, `no dump`.
  static func count(_ number: Int, _ noun: String) -> String {
    number == 0 ? "no \(noun)" : "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// `512 B`, `1.5 KiB`, `256 MiB`.
  static func bytes(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["B", "KiB", "MiB"] {
      if value < 1_024 { return figure(value, unit) }
      value /= 1_024
    }
    return figure(value, "GiB")
  }

  private static func figure(_ value: Double, _ unit: String) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 || tenths >= 1_000
      ? "\((tenths + 5) / 10) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
  }
}
