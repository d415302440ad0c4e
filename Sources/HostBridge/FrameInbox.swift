// A frame receiver together with the memory it works in.

import LinkProtocol

/// The receiving end of one line.
final class FrameInbox {
  private let buffer: UnsafeMutableRawBufferPointer
  private var receiver: FrameReceiver

  /// - Parameter largestFrame: the largest frame before COBS that is taken.
  init(largestFrame: Int) {
    buffer = .allocate(byteCount: largestFrame, alignment: 8)
    receiver = FrameReceiver(buffer: buffer)
  }

  deinit { buffer.deallocate() }

  /// Feeds a byte. A frame's payload is valid until the next call.
  func receive(_ byte: UInt8) -> Received { receiver.receive(byte) }

  /// The line has been quiet.
  func idle() -> Received { receiver.idle() }

  /// Forgets a half-received frame: the line is a new one.
  func reset() { receiver = FrameReceiver(buffer: buffer) }
}

/// The bytes of a frame for the board.
///
/// - Parameter payload: appends the payload; at most 249 bytes, so that it fits in a frame at any
///   time.
func hostFrame(
  _ type: FrameType, sequence: UInt8, payload: (inout FrameWriter) -> Void = { _ in }
) -> [UInt8] {
  let room = FrameLimit.writing(FrameLimit.initial)
  return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
    var frame = FrameWriter(type, sequence: sequence, into: UnsafeMutableRawBufferPointer(buffer))
    payload(&frame)
    count = frame.finish() ?? 0
  }
}
