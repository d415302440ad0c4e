// The name of a key that dumps are sealed to (docs/formats/lease.md, The sealing key id).

import Foundation

/// A region and a month.
struct SealingKeyID: Hashable, Sendable {
  /// Dumps sealed to keys of as many months before the newest one can still be opened.
  static let monthsKept: UInt32 = 2

  let rawValue: UInt32

  init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The key of the month, UTC, that `date` lies in.
  init(region: Region, at date: Date) {
    rawValue = region.number << 24 | min(Self.month(of: date), 0xFF_FFFF)
  }

  /// The months of days, UTC, that were asked for: a calendar takes longer than a lease should wait for it.
  private static let months = BoundedCache<Int64, UInt32>(most: 100)

  /// The months from the beginning of the calendar on; the time counts in milliseconds, as it is stored.
  private static func month(of date: Date) -> UInt32 {
    let day = RetentionPeriod.dayNumber(milliseconds(date))
    if let known = months[day] { return known }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    // Of the day and not of the moment: that may be rounded into the next.
    let start = Date(timeIntervalSince1970: TimeInterval(day) * 86_400)
    let parts = calendar.dateComponents([.year, .month], from: start)
    let month = UInt32(clamping: (parts.year ?? 0) * 12 + (parts.month ?? 1) - 1)
    months.keep(month, as: day)
    return month
  }

  var region: Region? { Region.allCases.first { $0.number == rawValue >> 24 } }

  /// The oldest key that stays when this one is made.
  var oldestKept: SealingKeyID {
    let month = rawValue & 0xFF_FFFF
    return SealingKeyID(
      rawValue: rawValue & 0xFF00_0000 | (month - min(month, Self.monthsKept)))
  }
}

extension Region {
  /// Bits 31 to 24 of a sealing key id.
  fileprivate var number: UInt32 {
    switch self {
    case .eu: 1
    case .usEast: 2
    case .usWest: 3
    }
  }
}
