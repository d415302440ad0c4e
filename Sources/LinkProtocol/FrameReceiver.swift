// Takes the line apart, byte by byte, into console text and frames.

import DumpFormat

/// A frame whose checksum was right.
public struct Frame {
  /// Not yet held against ``FrameType``: a peer may be newer.
  public var type: UInt8
  public var sequence: UInt8
  /// Points into the receiver's buffer; valid until the receiver's next call.
  public var payload: UnsafeRawBufferPointer
}

/// What one byte of the line brought to an end.
public enum Received {
  /// Nothing yet.
  case nothing
  /// One byte of console text.
  case text(UInt8)
  /// Two bytes of console text, in this order: the first had looked like the start of a frame.
  case twoOfText(UInt8, UInt8)
  case frame(Frame)
  /// Bytes up to a `00` that began like a frame and were not one: damaged, cut, or longer than the
  /// buffer.
  case damaged
}

/// The receiving end of the line (docs/formats/link.md, Framing).
///
/// It needs no memory but the buffer it is given, takes a bounded number of steps per byte, and any
/// bytes are safe to feed. Text is handed out at once, but for a single byte right behind a `00`,
/// which waits for its successor or for ``idle()``.
public struct FrameReceiver {
  private enum State {
    case text
    case delimiter
    case firstCode
    case frame
  }

  private let buffer: UnsafeMutableRawBufferPointer
  /// At first as behind a `00`: who joins a line between two frames may have missed the one they share.
  private var state = State.delimiter
  private var count = 0
  /// The COBS code of the run being read.
  private var code: UInt8 = 0
  /// Bytes of that run still to come.
  private var rest: UInt8 = 0

  /// - Parameter buffer: room for the largest frame before COBS; the caller owns it and keeps it
  ///   alive as long as the receiver.
  public init(buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

  /// Feeds one byte from the line.
  public mutating func receive(_ byte: UInt8) -> Received {
    switch state {
    case .text:
      guard byte == 0 else { return .text(byte) }
      state = .delimiter
      return .nothing
    case .delimiter:
      guard byte != 0 else { return .nothing }
      code = byte
      state = .firstCode
      return .nothing
    case .firstCode:
      return receiveMarker(byte)
    case .frame:
      return receiveBody(byte)
    }
  }

  /// Says that the line has been quiet for a while: a byte that was held back is text after all.
  public mutating func idle() -> Received {
    guard case .firstCode = state else { return .nothing }
    state = .text
    return .text(code)
  }

  private mutating func receiveMarker(_ byte: UInt8) -> Received {
    guard byte == marker, code >= 2, buffer.count > 0 else {
      let first = code
      guard byte != 0 else {
        state = .delimiter
        return .text(first)
      }
      state = .text
      return .twoOfText(first, byte)
    }
    buffer[0] = byte
    count = 1
    rest = code - 2
    state = .frame
    return .nothing
  }

  private mutating func receiveBody(_ byte: UInt8) -> Received {
    guard byte != 0 else {
      state = .delimiter
      return finish()
    }
    var value = byte
    if rest == 0 {
      let previous = code
      code = byte
      rest = byte - 1
      if previous == 0xFF { return .nothing }
      value = 0
    } else {
      rest -= 1
    }
    // Of a frame that is too long the rest is skipped: its count stays beyond the buffer.
    if count < buffer.count { buffer[count] = value }
    if count <= buffer.count { count += 1 }
    return .nothing
  }

  private func finish() -> Received {
    guard rest == 0, count >= FrameLimit.overhead, count <= buffer.count,
      let base = UnsafeRawPointer(buffer.baseAddress)
    else { return .damaged }
    let covered = count - 4
    guard
      CRC32C.checksum(UnsafeRawBufferPointer(start: base, count: covered))
        == base.load32(at: covered)
    else { return .damaged }
    return .frame(
      Frame(
        type: base.load8(at: 1), sequence: base.load8(at: 2),
        payload: UnsafeRawBufferPointer(start: base + 3, count: covered - 3)))
  }
}

/// The first byte of every frame: high nibble 9, low nibble the protocol version.
let marker: UInt8 = 0x90 | linkProtocolVersion
