// Reads a payload's fields in order, never beyond its end.

import DumpFormat

/// A cursor over a payload. A read beyond the end yields zeros and is reported by ``end()``.
struct PayloadReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var overran = false

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func take8() -> UInt8 {
    guard position < bytes.count else {
      overran = true
      return 0
    }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func take16() -> UInt16 {
    let low = UInt16(take8())
    return low | UInt16(take8()) << 8
  }

  mutating func take24() -> UInt32 {
    let low = UInt32(take16())
    return low | UInt32(take8()) << 16
  }

  mutating func take32() -> UInt32 {
    let low = UInt32(take16())
    return low | UInt32(take16()) << 16
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
