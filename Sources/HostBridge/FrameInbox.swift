// A frame receiver together with the memory it works in.

import LinkProtocol

/// The receiving end of one line.
///
/// Text whose second byte behind a `00` is that of a frame, such as "ё", looks like a frame and would be
/// lost up to the next `00`. So what looks like one is kept as it came, and is text after all when it
/// ends, or stands still, and nothing in it could be a frame.
final class FrameInbox {
  /// What a byte brought.
  enum Arrival {
    case nothing
    /// A byte of console text.
    case byte(UInt8)
    /// Console text.
    case text([UInt8])
    /// What was a frame once.
    case damaged
    case frame(Frame)
  }

  /// Bytes of text that are kept back at most because they look like a frame.
  private static let mostSuspect = 4_096

  private let buffer: UnsafeMutableRawBufferPointer
  private var receiver: FrameReceiver
  /// What came since the last `00` and looks like a frame so far.
  private var suspect: [UInt8] = []

  /// - Parameter largestFrame: the largest frame before COBS that is taken.
  init(largestFrame: Int) {
    buffer = .allocate(byteCount: largestFrame, alignment: 8)
    receiver = FrameReceiver(buffer: buffer)
  }

  deinit { buffer.deallocate() }

  /// Feeds a byte. A frame's payload is valid until the next call.
  func receive(_ byte: UInt8) -> Arrival {
    let received = receiver.receive(byte)
    if case .nothing = received, byte != 0 {
      // Beyond that a frame is longer than any.
      if suspect.count < FrameLimit.encoded(FrameLimit.largest) { suspect.append(byte) }
      guard suspect.count == Self.mostSuspect, suspect.isText else { return .nothing }
      receiver = FrameReceiver(buffer: buffer)
      return .text(takeSuspect())
    }
    let kept = takeSuspect()
    switch received {
    case .nothing: return .nothing
    case .text(let byte): return .byte(byte)
    case .twoOfText(let first, let second): return .text([first, second])
    case .damaged: return kept.isText ? .text(kept) : .damaged
    case .frame(let frame): return .frame(frame)
    }
  }

  /// The line has been quiet. Returns what is text after all.
  func idle() -> [UInt8] {
    if case .text(let byte) = receiver.idle() {
      suspect = []
      return [byte]
    }
    guard suspect.isText else { return [] }
    receiver = FrameReceiver(buffer: buffer)
    return takeSuspect()
  }

  /// Forgets a half-received frame: the line is a new one.
  func reset() {
    receiver = FrameReceiver(buffer: buffer)
    suspect = []
  }

  private func takeSuspect() -> [UInt8] {
    defer { suspect = [] }
    return suspect
  }
}

extension [UInt8] {
  /// Whether bytes that begin like a frame are text, perhaps with its last character cut. A frame of a
  /// board has its type behind the marker, which no text has there but for a tab.
  fileprivate var isText: Bool {
    guard count > 2, !(0x01...0x09).contains(self[2]) else { return false }
    guard allSatisfy({ $0 >= 0x20 && $0 != 0x7F || (0x07...0x0D).contains($0) || $0 == 0x1B })
    else { return false }
    return (0...3).contains { String(validating: dropLast($0), as: UTF8.self) != nil }
  }
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
