// Puts one frame on the line: payload first, then checksum, COBS and delimiters in the same buffer.

import DumpFormat

/// Builds one encoded frame in a buffer of the caller's.
///
/// Append the payload, then call ``finish()``. Room is checked: what does not fit makes `finish`
/// answer nothing rather than a short frame. The plain bytes wait behind some headroom, and the
/// encoding, which is a little longer, moves them to the buffer's start without overtaking itself.
public struct FrameWriter {
  /// Where the plain frame begins, so that its payload, 3 bytes behind, begins at a multiple of 4. More
  /// than COBS and the delimiters add to the largest frame.
  private static let headroom = 21
  /// Bytes that a buffer needs beyond the largest frame to be written.
  public static let extraRoom = headroom

  private let buffer: UnsafeMutableRawBufferPointer
  /// Where the next plain byte goes. Beyond the buffer's end when one did not fit.
  private var count: Int

  /// - Parameter buffer: room for the frame and ``extraRoom`` bytes; aligned to 4 where the payload's
  ///   alignment matters.
  public init(_ type: FrameType, sequence: UInt8, into buffer: UnsafeMutableRawBufferPointer) {
    self.buffer = buffer
    count = Self.headroom
    append(marker)
    append(type.rawValue)
    append(sequence)
  }

  /// Appends one byte of payload.
  @inline(never)
  public mutating func append(_ byte: UInt8) {
    if count < buffer.count { buffer[count] = byte }
    count += 1
  }

  /// Appends a number's lowest `bytes` bytes.
  @inline(never)
  public mutating func append(_ value: UInt32, bytes: Int) {
    var rest = value
    for _ in 0..<bytes {
      append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Appends a 16-bit number.
  @inline(__always)
  public mutating func append(_ value: UInt16) { append(UInt32(value), bytes: 2) }

  /// Appends a 32-bit number.
  @inline(__always)
  public mutating func append(_ value: UInt32) { append(value, bytes: 4) }

  /// Appends a number's low 24 bits.
  @inline(__always)
  public mutating func append24(_ value: UInt32) { append(value, bytes: 3) }

  /// Appends bytes as they are.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    append(base, count: bytes.count)
  }

  /// Appends `length` bytes from `start`.
  public mutating func append(_ start: UnsafeRawPointer, count length: Int) {
    if let place = reserve(length) { place.store(start, count: length, at: 0) }
  }

  /// Leaves room for `length` bytes of payload, for the caller to fill; `nil` when they do not fit.
  public mutating func reserve(_ length: Int) -> UnsafeMutableRawPointer? {
    let start = count
    count += length
    guard count <= buffer.count, let base = buffer.baseAddress else { return nil }
    return base + start
  }

  /// Closes the frame. Returns the encoded frame's length at the start of the buffer, delimiters
  /// included, or `nil` when it did not fit.
  public mutating func finish() -> Int? {
    guard count <= buffer.count, let base = buffer.baseAddress else { return nil }
    append(CRC32C.checksum(base + Self.headroom, count: count - Self.headroom))
    guard count <= buffer.count else { return nil }
    return Self.encode(base.assumingMemoryBound(to: UInt8.self), count: count)
  }

  /// COBS of what lies behind the headroom, between two delimiters. Returns its length. Every dump goes
  /// byte by byte through here.
  @inline(never)
  @_optimize(speed)
  private static func encode(_ base: UnsafeMutablePointer<UInt8>, count: Int) -> Int {
    base.pointee = 0
    var next = UnsafePointer(base + headroom)
    let end = UnsafePointer(base + count)
    var codeAt = base + 1
    var out = base + 2
    while next != end {
      let byte = next.pointee
      next += 1
      // A full run is closed when the next byte comes, so that none is left empty at the end.
      if out == codeAt + 0xFF {
        codeAt.pointee = 0xFF
        codeAt = out
        out += 1
      }
      if byte != 0 {
        out.pointee = byte
      } else {
        codeAt.pointee = UInt8(truncatingIfNeeded: out - codeAt)
        codeAt = out
      }
      out += 1
    }
    codeAt.pointee = UInt8(truncatingIfNeeded: out - codeAt)
    out.pointee = 0
    return out + 1 - base
  }
}
