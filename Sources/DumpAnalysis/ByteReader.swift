// Bounds-checked little-endian reads from bytes that nobody vouches for.

/// A run of bytes whose reads answer `nil` beyond the end instead of trapping.
struct ByteReader {
  private let bytes: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

  var count: Int { bytes.count }

  /// `length` bytes from `offset`, or `nil` when they are not all there.
  func slice(_ offset: Int, _ length: Int) -> ArraySlice<UInt8>? {
    guard offset >= 0, length >= 0, offset <= bytes.count, length <= bytes.count - offset else {
      return nil
    }
    let start = bytes.startIndex + offset
    return bytes[start..<(start + length)]
  }

  /// The bytes from `offset` on; none when it lies beyond the end.
  func rest(_ offset: Int) -> ArraySlice<UInt8> {
    slice(offset, count - offset) ?? []
  }

  func byte(_ offset: Int) -> UInt8? { slice(offset, 1)?.first }

  func half(_ offset: Int) -> UInt16? {
    slice(offset, 2)?.reversed().reduce(0) { $0 << 8 | UInt16($1) }
  }

  func word(_ offset: Int) -> UInt32? {
    slice(offset, 4)?.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  func double(_ offset: Int) -> UInt64? {
    slice(offset, 8)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Every whole word, in order.
  var words: [UInt32] { (0..<(count / 4)).compactMap { word($0 * 4) } }

  /// The zero-terminated text at `offset`, or `nil` when no zero follows.
  func text(_ offset: Int) -> String? {
    guard offset >= 0, offset < count else { return nil }
    let tail = rest(offset)
    guard let end = tail.firstIndex(of: 0) else { return nil }
    return String(decoding: tail[..<end], as: UTF8.self)
  }
}
