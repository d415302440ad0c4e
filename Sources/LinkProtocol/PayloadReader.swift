// Reads a payload's fields in order, never beyond its end.

import DumpFormat

/// A cursor over a payload. A read beyond the end yields zeros and is reported by ``end()``.
struct PayloadReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var overran = false

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always)
  mutating func take8() -> UInt8 { UInt8(truncatingIfNeeded: takeNumber(1)) }

  @inline(__always)
  mutating func take16() -> UInt16 { UInt16(truncatingIfNeeded: takeNumber(2)) }

  @inline(__always)
  mutating func take24() -> UInt32 { takeNumber(3) }

  @inline(__always)
  mutating func take32() -> UInt32 { takeNumber(4) }

  /// A number of 1 to 4 bytes.
  @inline(never)
  private mutating func takeNumber(_ count: Int) -> UInt32 {
    var value: UInt32 = 0
    for i in 0..<count {
      guard position < bytes.count else {
        overran = true
        return 0
      }
      value |= UInt32(bytes[position]) << UInt32(8 * i)
      position += 1
    }
    return value
  }

  mutating func takeKey() -> DumpKey {
    let bootCount = take32()
    return DumpKey(bootCount: bootCount, sequence: take32())
  }

  /// The next `count` bytes; empty when there are fewer.
  mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
    guard count <= bytes.count - position else {
      overran = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// All bytes that are left.
  mutating func takeRest() -> UnsafeRawBufferPointer { take(bytes.count - position) }

  /// Throws when fewer bytes were there than were read, or when some are left.
  func end() throws(LinkError) {
    guard !overran, position == bytes.count else { throw .wrongLength }
  }
}
