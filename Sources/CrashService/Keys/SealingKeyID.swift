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
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    let parts = calendar.dateComponents([.year, .month], from: date)
    let month = UInt32(clamping: (parts.year ?? 0) * 12 + (parts.month ?? 1) - 1)
    rawValue = region.number << 24 | min(month, 0xFF_FFFF)
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
