// Puts one frame on the line: checksum, COBS and delimiters, straight into the buffer that is sent.

import DumpFormat

/// Builds one encoded frame in a buffer of the caller's.
///
/// Append the payload, then call ``finish()``. Room is checked: what does not fit makes `finish`
/// answer nothing rather than a short frame.
public struct FrameWriter {
  private let buffer: UnsafeMutableRawBufferPointer
  private var count: Int
  /// Where the code of the COBS run being written will go.
  private var codeAt: Int
  private var crc = CRC32C()

  /// - Parameter buffer: room for ``FrameLimit/encoded(_:)`` of the frame's size.
  public init(_ type: FrameType, sequence: UInt8, into buffer: UnsafeMutableRawBufferPointer) {
    self.buffer = buffer
    count = 2
    codeAt = 1
    append(marker)
    append(type.rawValue)
    append(sequence)
  }

  /// Appends one byte of payload.
  public mutating func append(_ byte: UInt8) {
    crc.update(byte)
    put(byte)
  }

  /// Appends a 16-bit number.
  public mutating func append(_ value: UInt16) {
    append(UInt8(truncatingIfNeeded: value))
    append(UInt8(truncatingIfNeeded: value >> 8))
  }

  /// Appends a 32-bit number.
  public mutating func append(_ value: UInt32) {
    append(UInt16(truncatingIfNeeded: value))
    append(UInt16(truncatingIfNeeded: value >> 16))
  }

  /// Appends a number's low 24 bits.
  public mutating func append24(_ value: UInt32) {
    append(UInt16(truncatingIfNeeded: value))
    append(UInt8(truncatingIfNeeded: value >> 16))
  }

  /// Appends bytes as they are.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { append(byte) }
  }

  /// Closes the frame. Returns the encoded frame's length at the start of the buffer, delimiters
  /// included, or `nil` when it did not fit.
  public mutating func finish() -> Int? {
    var check = crc.value
    for _ in 0..<4 {
      put(UInt8(truncatingIfNeeded: check))
      check >>= 8
    }
    guard count < buffer.count else { return nil }
    buffer[codeAt] = UInt8(truncatingIfNeeded: count - codeAt)
    buffer[0] = 0
    buffer[count] = 0
    return count + 1
  }

  private mutating func put(_ byte: UInt8) {
    // A full run is closed when the next byte comes, so that none is left empty at the end.
    if count - codeAt == 0xFF { closeRun(0xFF) }
    guard count < buffer.count else { return }
    if byte == 0 {
      closeRun(UInt8(truncatingIfNeeded: count - codeAt))
    } else {
      buffer[count] = byte
      count += 1
    }
  }

  private mutating func closeRun(_ code: UInt8) {
    guard count < buffer.count else { return }
    buffer[codeAt] = code
    codeAt = count
    count += 1
  }
}
