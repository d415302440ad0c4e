// The ranges that the host has asked for and the board still has to send.

import DumpRing

/// One range of a dump to send.
struct FetchedRange {
  var slot: Slot
  var transfer: UInt8
  /// From the start of the dump, bytes.
  var position: UInt32
  var end: UInt32
}

/// At most 4 ranges of one transfer, in the order they were asked for.
struct TransferQueue {
  private static let capacity = 4
  private var ranges: InlineArray<4, FetchedRange?> = InlineArray(repeating: nil)
  private var count = 0

  /// Adds a range. One of another transfer drops what is queued; one too many is dropped, and the
  /// host asks again.
  mutating func add(_ range: FetchedRange) {
    if count > 0, ranges[0]?.transfer != range.transfer { count = 0 }
    guard count < Self.capacity else { return }
    ranges[count] = range
    count += 1
  }

  /// Takes the next run of at most `length` bytes to send.
  mutating func take(_ length: UInt32) -> (range: FetchedRange, length: UInt32)? {
    guard count > 0, let range = ranges[0] else { return nil }
    let rest = range.end - range.position
    if rest > length {
      ranges[0]?.position += length
      return (range, length)
    }
    for i in 1..<Self.capacity { ranges[i - 1] = ranges[i] }
    count -= 1
    return (range, rest)
  }

  /// Drops everything.
  mutating func clear() { count = 0 }
}
