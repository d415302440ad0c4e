// When the requests of an open loop are due, and what their latencies come to.

import Foundation

/// Requests at a steady rate, whether answers come or not. A request that has to wait for a free connection, or
/// for the load generator, is late from the moment it was due: so what a caller would have waited is
/// counted, and not left out.
struct LoadSchedule {
  /// Nanoseconds of ``nanoseconds()``.
  var start: UInt64
  /// Requests a second, above zero.
  var rate: Double

  /// When a request is due, by its number from 0 on; nanoseconds.
  func due(_ number: Int) -> UInt64 { start + UInt64(Double(number) / rate * 1e9) }

  /// Nanoseconds until a request is due; 0 when it is.
  func wait(for number: Int, at now: UInt64) -> UInt64 {
    let due = due(number)
    return due > now ? due - now : 0
  }
}

extension Array where Element: Comparable {
  /// The least element that at least `share` of all are not above (nearest rank); `nil` without any.
  /// - Parameter share: 0 to 1.
  func quantile(_ share: Double) -> Element? {
    guard !isEmpty else { return nil }
    let rank = Int((Double(count) * share).rounded(.up))
    return sorted()[Swift.min(Swift.max(rank, 1), count) - 1]
  }
}

extension Array where Element == Double {
  /// The middle of the values, or of the middle two; 0 without any.
  var median: Double {
    guard !isEmpty else { return 0 }
    let sorted = sorted()
    let half = count / 2
    return count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
  }

  /// How much the second half's median is above the first half's, of the first; 0 with fewer than two
  /// values.
  var growth: Double {
    let first = Array(prefix(count / 2)).median
    let second = Array(suffix(count / 2)).median
    return first > 0 ? second / first - 1 : 0
  }
}

/// Nanoseconds of a clock that only goes forward.
func nanoseconds() -> UInt64 { DispatchTime.now().uptimeNanoseconds }
