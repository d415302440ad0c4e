// How long a service asks to be left alone: RFC 9110, section 10.2.3.

import Foundation

/// Reads `Retry-After`, which is a number of seconds or a date.
enum RetryAfter {
  /// The longest that is honoured: a service that says more is asked once a day.
  static let longest = Duration.seconds(86_400)

  /// - Parameters:
  ///   - value: the header's value.
  ///   - date: the `Date` header of the same answer. A date is held against it, because the clocks of
  ///     bridge and service may be years apart; without it a date says nothing.
  /// - Returns: `nil` for what cannot be read, from zero to ``longest`` otherwise.
  static func read(_ value: String, date: String?) -> Duration? {
    let value = value.trimmingCharacters(in: .whitespaces)
    if !value.isEmpty, value.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) {
      // Digits that no number holds are more than a day, too.
      return min(Int(value).map { Duration.seconds($0) } ?? longest, longest)
    }
    guard let then = HTTPDate.read(value), let now = date.flatMap({ HTTPDate.read($0) }) else {
      return nil
    }
    return min(max(.seconds(then - now), .zero), longest)
  }
}

/// An HTTP date (RFC 9110, section 5.6.7), of which three forms are about.
enum HTTPDate {
  /// Seconds since 1970, or `nil` when it is not a date.
  static func read(_ text: String) -> Int? {
    let words = text.split { " ,-".contains($0) }.map(String.init)
    switch words.count {
    // Sun, 06 Nov 1994 08:49:37 GMT, and Sunday, 06-Nov-94 08:49:37 GMT
    case 6 where words[5] == "GMT":
      return seconds(day: words[1], month: words[2], year: words[3], time: words[4])
    // Sun Nov  6 08:49:37 1994
    case 5: return seconds(day: words[2], month: words[1], year: words[4], time: words[3])
    default: return nil
    }
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func seconds(day: String, month: String, year: String, time: String) -> Int? {
    let clock = time.split(separator: ":", omittingEmptySubsequences: false).map { UInt8($0) }
    guard let day = UInt8(day), 1...31 ~= day, let month = months.firstIndex(of: month),
      let year = UInt16(year), clock.count == 3, let hour = clock[0], hour < 24,
      let minute = clock[1], minute < 60, let second = clock[2], second <= 60
    else { return nil }
    var parts = DateComponents()
    // Two digits are of this century until they would lie far ahead.
    parts.year = year < 100 ? Int(year) + (year < 70 ? 2_000 : 1_900) : Int(year)
    parts.month = month + 1
    parts.day = Int(day)
    parts.hour = Int(hour)
    parts.minute = Int(minute)
    parts.second = Int(second)
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    return calendar.date(from: parts).map { Int($0.timeIntervalSince1970) }
  }
}
