// The board's end of the serial line: buffers in scratch RAM, and no wait that the line alone ends.

import BoardHAL
import DumpFormat
import LinkProtocol

/// How the agent divides the board's scratch RAM, bytes from its start.
enum ScratchLayout {
  /// A byte that is zero.
  static let zero = 0
  /// A frame received, so placed that its payload, 3 bytes behind its start, is aligned to 4.
  static let received = 1
  static let sent = 260
  static let ring = 1344
  static let port = 3408
  static let arrived = 3472
  /// All of them together.
  static let end = arrived + LinkPort.arrivedSize
}

/// Sends frames and hands out what arrives. Contexts: boot, app.
///
/// A frame goes out as the line takes it: ``send(_:)`` hands over what fits at once, each ``push()`` the
/// next piece. What arrives meanwhile is taken from the UART, whose FIFO holds a few bytes only, and
/// kept until somebody receives it.
struct LinkPort {
  /// Largest frame before COBS that the host may send.
  static let largestReceived = FrameLimit.initial
  /// Largest frame before COBS that the board sends: 1 KiB of content with its 11 bytes around it.
  static let largestSent = 1024 + FrameLimit.overhead + FrameLimit.dataPreamble
  /// Bytes that may arrive while a frame goes out, a power of two: every request that a host has open
  /// at a time, and more than once.
  static let arrivedSize = 512
  /// Bytes that the port remembers between two calls.
  static var stateSize: Int { MemoryLayout<State>.size }
  /// Time without progress after which a frame or text is given up, microseconds: the host asks again.
  private static let patience: UInt32 = 250_000
  /// Attempts without progress after which it is given up even if the clock stands still.
  private static let mostAttempts: UInt32 = 1 << 20

  /// What the line ended with.
  private enum Tail: UInt8 {
    case text
    /// The `00` of a whole frame.
    case delimiter
    /// A frame that is on its way; or something that was given up, be it that frame.
    case frame
  }

  /// What the port remembers, in scratch RAM: all copies of an agent talk over the same line.
  private struct State {
    /// What is to be sent; nothing when the two are the same.
    var next: UnsafePointer<UInt8>
    var end: UnsafePointer<UInt8>
    /// Bytes that arrived, and how many of them were received; both run on beyond the buffer's size.
    var arrived = 0
    var received = 0
    /// Attempts to send since something was sent, and when that was, microseconds.
    var attempts: UInt32 = 0
    var tail = Tail.text
    var progress: UInt32 = 0
  }

  /// Whether others may write to the line, too: a frame is then never without a `00` of its own.
  var isShared = false
  private var receiver: FrameReceiver
  private let scratch: UnsafeMutableRawPointer

  private var state: UnsafeMutablePointer<State> {
    (scratch + ScratchLayout.port).assumingMemoryBound(to: State.self)
  }
  private var outgoing: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: scratch + ScratchLayout.sent, count: FrameLimit.writing(Self.largestSent))
  }
  private var arrivals: UnsafeMutablePointer<UInt8> {
    (scratch + ScratchLayout.arrived).assumingMemoryBound(to: UInt8.self)
  }

  /// Takes its buffers from the board's scratch RAM, and ends what a reset has cut on the line.
  init() {
    let start: UnsafeMutableRawPointer = halScratch().start
    scratch = start
    receiver = FrameReceiver(
      buffer: UnsafeMutableRawBufferPointer(
        start: start + ScratchLayout.received, count: Self.largestReceived))
    let nothing = UnsafePointer(arrivals)
    state.initialize(to: State(next: nothing, end: nothing, tail: .frame))
    endFrame()
  }

  // MARK: - Receiving

  /// Takes one byte from the line; `nil` when none waits.
  mutating func receive() -> Received? {
    if state.pointee.received == state.pointee.arrived { listen() }
    let at = state.pointee.received
    guard at != state.pointee.arrived else { return nil }
    state.pointee.received = at &+ 1
    return receiver.receive(arrivals[at & (Self.arrivedSize - 1)])
  }

  /// Keeps what the UART holds, as far as there is room.
  @inline(never)
  func listen() {
    let arrived = state.pointee.arrived
    let at = arrived & (Self.arrivedSize - 1)
    let room = min(
      Self.arrivedSize &- (arrived &- state.pointee.received), Self.arrivedSize &- at)
    state.pointee.arrived = arrived &+ halSerialRead(arrivals + at, room)
  }

  // MARK: - Sending

  /// Whether something of a frame is still to be sent.
  var isBusy: Bool { state.pointee.next != state.pointee.end }

  /// Begins a frame; one at a time: the one before it goes out first, or is given up.
  @inline(never)
  func begin(_ type: FrameType, _ sequence: UInt8) -> FrameWriter {
    finish()
    return FrameWriter(type, sequence: sequence, into: outgoing)
  }

  /// Sends a frame: what the line takes now, the rest with ``push()``. Right behind another it needs no
  /// `00` of its own in front.
  func send(_ frame: inout FrameWriter) {
    guard let length = frame.finish(),
      let start = outgoing.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { return }
    let skipped = !isShared && state.pointee.tail == .delimiter ? 1 : 0
    state.pointee.tail = .frame
    put(start + skipped, count: length &- skipped)
    push()
  }

  /// Hands the line what it takes of a frame without waiting. One of which it has taken nothing for
  /// 250 ms is given up. Takes what arrived from the UART, too.
  @inline(never)
  func push() {
    listen()
    guard isBusy else { return }
    let taken = halSerialWrite(state.pointee.next, state.pointee.end - state.pointee.next)
    state.pointee.next += taken
    let now = halMonotonicMicroseconds().low
    state.pointee.attempts &+= 1
    if taken > 0 {
      state.pointee.attempts = 0
      state.pointee.progress = now
      if !isBusy, state.pointee.tail == .frame { state.pointee.tail = .delimiter }
    } else if state.pointee.attempts >= Self.mostAttempts
      || now &- state.pointee.progress >= Self.patience
    {
      drop()
    }
  }

  /// Goes on sending for `limit` microseconds at most.
  func push(for limit: UInt64) {
    let since = halMonotonicMicroseconds()
    while isBusy, halMonotonicMicroseconds() &- since < limit { push() }
  }

  /// Gives up what was not sent yet.
  func drop() {
    guard isBusy else { return }
    state.pointee.next = state.pointee.end
    state.pointee.tail = .frame
  }

  /// Sends console text, behind the rest of a frame. Waits while the line takes a piece in 250 ms.
  @inline(never)
  func write(_ text: UnsafeBufferPointer<UInt8>) {
    guard let start = text.baseAddress else { return }
    finish()
    if state.pointee.tail == .frame { endFrame() }
    state.pointee.tail = .text
    put(start, count: text.count)
    finish()
  }

  /// Sends the `00` without which what follows would count as the rest of a frame that was cut.
  private func endFrame() {
    let zero = (scratch + ScratchLayout.zero).assumingMemoryBound(to: UInt8.self)
    zero.pointee = 0
    state.pointee.tail = .text
    put(zero, count: 1)
    finish()
  }

  private func put(_ start: UnsafePointer<UInt8>, count: Int) {
    state.pointee.next = start
    state.pointee.end = start + count
    state.pointee.attempts = 0
    state.pointee.progress = halMonotonicMicroseconds().low
  }

  /// Waits until all is sent or given up.
  private func finish() {
    while isBusy { push() }
  }
}
