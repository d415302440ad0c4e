// The addresses that a dump hides, in order.

/// Redactions put in order and joined where they touch, for look-ups by address.
public struct RedactedRuns: Sendable {
  /// In the order of their addresses, neither overlapping nor touching.
  let ranges: [Range<UInt64>]

  public init(_ redactions: [Redaction]) { ranges = Self.merged(redactions.map(\.range)) }

  /// The end of the run that hides `address`, `nil` when none does.
  func end(from address: UInt64) -> UInt64? {
    let index = firstEnding(after: address)
    guard index < ranges.count, ranges[index].contains(address) else { return nil }
    return ranges[index].upperBound
  }

  /// How many addresses of `range` are hidden.
  func count(in range: Range<UInt64>) -> Int {
    var index = firstEnding(after: range.lowerBound)
    var count = 0
    while index < ranges.count, ranges[index].lowerBound < range.upperBound {
      count += ranges[index].clamped(to: range).count
      index += 1
    }
    return count
  }

  private func firstEnding(after address: UInt64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound <= address { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Ranges in order, joined where they overlap or touch; empty ones are left out.
  static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    var result: [Range<UInt64>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
      if let last = result.last, range.lowerBound <= last.upperBound {
        let end = max(last.upperBound, range.upperBound)
        result[result.count - 1] = last.lowerBound..<end
      } else {
        result.append(range)
      }
    }
    return result
  }
}
