// The host's end of a live board's line: console text, frames, and waiting for either.

import DumpFormat
import Foundation
import LinkProtocol

/// Speaks the link with a board that runs by itself (docs/formats/link.md).
///
/// The calls block their thread: use them inside ``onThread(_:)``. One thread at a time.
public final class LiveLink {
  /// A frame that arrived.
  public struct Received: Sendable {
    public var type: FrameType
    public var sequence: UInt8
    public var payload: [UInt8]
  }

  /// How long a board may take for anything that is not said otherwise. Generous: the machine may be
  /// busy.
  public static let patience: Duration = .seconds(30)

  private let socket: LineSocket
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: FrameLimit.largest, alignment: 8)
  private var receiver: FrameReceiver
  private var frames: [Received] = []
  private var textBytes: [UInt8] = []
  private var sequence: UInt8 = 0
  /// Bytes of the line that arrived.
  public private(set) var bytesReceived = 0
  /// Frames that arrived damaged.
  public private(set) var damagedFrames = 0

  public init(_ socket: LineSocket) {
    self.socket = socket
    receiver = FrameReceiver(buffer: buffer)
  }

  deinit { buffer.deallocate() }

  /// The console text that arrived.
  public var text: String { String(decoding: textBytes, as: UTF8.self) }

  // MARK: - Waiting

  /// Takes what arrives until the deadline; returns after the first bytes.
  ///
  /// - Throws: ``ProcessFailure`` with `ended` when the line was closed.
  @discardableResult
  public func receive(until deadline: ContinuousClock.Instant) throws(ProcessFailure) -> Bool {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero, socket.waitUntilReadable(within: left) else { return false }
    let bytes = socket.read()
    guard !bytes.isEmpty else {
      throw ProcessFailure(.ended, "the board's line was closed\(described)")
    }
    bytesReceived += bytes.count
    for byte in bytes { take(receiver.receive(byte)) }
    return true
  }

  private func take(_ received: LinkProtocol.Received) {
    switch received {
    case .nothing: break
    case .text(let byte): textBytes.append(byte)
    case .twoOfText(let first, let second): textBytes += [first, second]
    case .damaged: damagedFrames += 1
    case .frame(let frame):
      guard let type = FrameType(rawValue: frame.type) else { return }
      frames.append(
        Received(type: type, sequence: frame.sequence, payload: Array(frame.payload)))
    }
  }

  private var described: String { text.isEmpty ? "" : "; the console said:\n\(text.suffix(500))" }

  /// Waits until `answer` gives something; it is asked again after every arrival.
  public func wait<Answer>(
    for what: String, within limit: Duration = LiveLink.patience, until answer: () throws -> Answer?
  ) throws -> Answer {
    let deadline = ContinuousClock.now + limit
    while true {
      if let found = try answer() { return found }
      guard try receive(until: deadline) || ContinuousClock.now < deadline else {
        throw ProcessFailure(.tooLate, "no \(what) within \(limit)\(described)")
      }
    }
  }

  /// Waits for console text.
  public func wait(forText part: String, within limit: Duration = LiveLink.patience) throws {
    try wait(for: "text \"\(part)\"", within: limit) { text.contains(part) ? () : nil }
  }

  /// Waits for a frame and takes it out of the line's order.
  public func frame(
    _ what: String, within limit: Duration = LiveLink.patience,
    where matches: (Received) -> Bool
  ) throws -> Received {
    try wait(for: what, within: limit) {
      frames.firstIndex(where: matches).map { frames.remove(at: $0) }
    }
  }

  /// Waits for a HELLO.
  public func hello(
    within limit: Duration = LiveLink.patience, where matches: (Hello) -> Bool = { _ in true }
  ) throws -> Hello {
    try wait(for: "HELLO", within: limit) {
      for (index, frame) in frames.enumerated() where frame.type == .hello {
        let hello = try frame.payload.withUnsafeBytes { try Hello(decoding: $0) }
        guard matches(hello) else { continue }
        frames.remove(at: index)
        return hello
      }
      return nil
    }
  }

  /// Waits for the application's start and its reason.
  public func starting(within limit: Duration = LiveLink.patience) throws -> StartReason {
    let frame = try frame("STARTING", within: limit) { $0.type == .starting }
    return try frame.payload.withUnsafeBytes { try Starting(decoding: $0).reason }
  }

  /// The frames of a type that arrived and were not taken.
  public func pending(_ type: FrameType) -> [Received] { frames.filter { $0.type == type } }

  /// Forgets the frames and the text that arrived.
  public func forget() {
    frames = []
    textBytes = []
  }

  // MARK: - Sending

  /// Types a line on the board's console. The return in front ends what a frame that a reset cut in
  /// two may have left there as text.
  public func type(_ line: String) { socket.write(Array("\r\(line)\r".utf8)) }

  /// Puts bytes on the line as they are.
  public func send(raw bytes: [UInt8]) { socket.write(bytes) }

  /// Sends a request under a number of its own, which is returned.
  @discardableResult
  public func send(_ type: FrameType, _ payload: (inout FrameWriter) -> Void = { _ in }) -> UInt8 {
    sequence &+= 1
    if sequence == 0 { sequence = 1 }
    send(type, sequence, payload)
    return sequence
  }

  private func send(_ type: FrameType, _ number: UInt8, _ payload: (inout FrameWriter) -> Void) {
    let room = FrameLimit.writing(FrameLimit.largest)
    socket.write(
      [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        var frame = FrameWriter(type, sequence: number, into: UnsafeMutableRawBufferPointer(buffer))
        payload(&frame)
        count = frame.finish() ?? 0
      })
  }

  /// Sends a request and waits for its answer. It is sent again after a second without one.
  public func request(
    _ type: FrameType, within limit: Duration = LiveLink.patience,
    _ payload: (inout FrameWriter) -> Void = { _ in }
  ) throws -> Received {
    let number = send(type, payload)
    let deadline = ContinuousClock.now + limit
    while true {
      let next = min(deadline, .now + .seconds(1))
      repeat {
        if let found = frames.firstIndex(where: { $0.sequence == number && $0.type != .data }) {
          return frames.remove(at: found)
        }
      } while try receive(until: next)
      guard ContinuousClock.now < deadline else {
        throw ProcessFailure(.tooLate, "no answer to \(type) within \(limit)\(described)")
      }
      send(type, number, payload)
    }
  }

  /// Takes the bytes of one transfer's DATA frames that arrived.
  func takeData() -> [Received] {
    defer { frames.removeAll { $0.type == .data } }
    return frames.filter { $0.type == .data }
  }
}
