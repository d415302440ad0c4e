// The board's end of the serial line: buffers in scratch RAM, bounded waits.

import BoardHAL
import LinkProtocol

/// How the agent divides the board's scratch RAM, bytes from its start.
enum ScratchLayout {
  /// A frame received, so placed that its payload, 3 bytes behind its start, is aligned to 4.
  static let received = 1
  static let sent = 260
  static let ring = 1344
}

/// Sends frames and hands out what arrives. Contexts: boot, app.
struct LinkPort {
  /// Largest frame before COBS that the host may send.
  static let largestReceived = FrameLimit.initial
  /// Largest frame before COBS that the board sends: 1 KiB of content with its 11 bytes around it.
  static let largestSent = 1024 + FrameLimit.overhead + FrameLimit.dataPreamble
  /// Time without progress after which a frame is given up: the host asks again.
  private static let patience: UInt64 = 250_000
  /// Attempts without progress after which a frame is given up even if the clock stands still.
  private static let mostAttempts: UInt32 = 1 << 20

  private var receiver: FrameReceiver
  private let outgoing: UnsafeMutableRawBufferPointer

  /// Takes its buffers from the board's scratch RAM.
  init() {
    let start: UnsafeMutableRawPointer = halScratch().start
    receiver = FrameReceiver(
      buffer: UnsafeMutableRawBufferPointer(
        start: start + ScratchLayout.received, count: Self.largestReceived))
    outgoing = UnsafeMutableRawBufferPointer(
      start: start + ScratchLayout.sent, count: FrameLimit.writing(Self.largestSent))
  }

  /// Takes one byte from the line; `nil` when none waits.
  mutating func receive() -> Received? {
    var byte: UInt8 = 0
    guard halSerialRead(&byte, 1) == 1 else { return nil }
    return receiver.receive(byte)
  }

  /// Begins a frame; one at a time.
  @inline(never)
  func begin(_ type: FrameType, _ sequence: UInt8) -> FrameWriter {
    FrameWriter(type, sequence: sequence, into: outgoing)
  }

  /// Sends a frame. One that the line does not take is given up.
  func send(_ frame: inout FrameWriter) {
    guard let length = frame.finish(),
      let start = outgoing.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { return }
    write(UnsafeBufferPointer(start: start, count: length))
  }

  /// Sends bytes as they are: console text, or an encoded frame.
  func write(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let base = bytes.baseAddress else { return }
    var sent = 0
    var attempts: UInt32 = 0
    var since = halMonotonicMicroseconds()
    while sent < bytes.count {
      let taken = halSerialWrite(base + sent, bytes.count - sent)
      sent += taken
      attempts += 1
      if taken > 0 {
        attempts = 0
        since = halMonotonicMicroseconds()
      } else if attempts >= Self.mostAttempts
        || halMonotonicMicroseconds() &- since >= Self.patience
      {
        return
      }
    }
  }
}
