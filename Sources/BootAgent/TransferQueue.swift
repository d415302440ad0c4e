// The ranges that the host has asked for and the board still has to send.

import DumpFormat

/// One range of a dump to send.
struct FetchedRange {
  /// Number of the ring slot.
  var slot: Int
  var key: DumpKey
  var transfer: UInt8
  /// From the start of the dump, bytes.
  var position: UInt32
  var end: UInt32
}

/// At most 4 ranges of one transfer, in the order they were asked for.
struct TransferQueue {
  private static let capacity = 4
  private var ranges = InlineArray<4, FetchedRange>(
    repeating: FetchedRange(
      slot: 0, key: DumpKey(bootCount: 0, sequence: 0), transfer: 0, position: 0, end: 0))
  private var count = 0

  /// Adds a range. One of another transfer drops what is queued; one too many is dropped, and the
  /// host asks again.
  mutating func add(_ range: FetchedRange) {
    if ranges[0].transfer != range.transfer { count = 0 }
    guard count < Self.capacity else { return }
    ranges[count] = range
    count += 1
  }

  /// Takes the next run of at most `length` bytes to send; its end is that of the run.
  mutating func take(_ length: UInt32) -> FetchedRange? {
    guard count > 0 else { return nil }
    var range = ranges[0]
    if range.end - range.position > length {
      range.end = range.position + length
      ranges[0].position = range.end
    } else {
      count -= 1
      for i in 0..<count { ranges[i] = ranges[i + 1] }
    }
    return range
  }

  /// Drops everything.
  mutating func clear() { count = 0 }
}
