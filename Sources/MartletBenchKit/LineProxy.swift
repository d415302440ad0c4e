// Stands on the line between board and bridge, and remembers what the board was told.

import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import Synchronization

/// Passes bytes between a board and whichever bridge is connected, and watches the frames.
///
/// The board's end stays connected while bridges come and go, as a serial cable would.
public final class LineProxy: Sendable {
  /// What was seen so far.
  public struct Seen: Sendable {
    /// Dumps of which the board confirmed that they are stored: it was told so and has let them go.
    public var told: Set<DumpKey> = []
    /// Bytes from the board, and DATA frames among them.
    public var bytes = 0
    public var dataFrames = 0
    public var bridges = 0
    /// Whether a bridge is connected now.
    public var isConnected = false
    public var hello: Hello?
    public var starts = 0
    public var text = ""
    /// What the frames of the board carried, one behind the other.
    public var payloads: [UInt8] = []
  }

  /// The address for `martlet-bridge --board`.
  public let address: String
  private let listener: LineSocket
  private let board: LineSocket
  private let bridge = Mutex<LineSocket?>(nil)
  private let seen = Mutex(Seen())
  private let changed = NSCondition()
  /// Held from the reading of bytes until they are in ``flow``.
  private let reading = NSLock()
  private let flow = LineFlow()

  /// - Parameters:
  ///   - board: the board's end of the line.
  ///   - path: where bridges connect.
  public init(board: LineSocket, listeningAt path: String) throws {
    self.board = board
    address = "unix:\(path)"
    listener = try LineSocket(listeningAt: path)
    Thread.detachNewThread { [self] in readBoard() }
    Thread.detachNewThread { [self] in passFromBoard() }
    Thread.detachNewThread { [self] in passFromBridges() }
  }

  /// Ends its threads.
  public func close() {
    board.shutDown()
    listener.shutDown()
    bridge.withLock { $0?.shutDown() }
  }

  // MARK: - What tests do

  public var current: Seen { seen.withLock { $0 } }

  /// Waits until what was seen satisfies `condition`.
  @discardableResult
  public func wait(
    for what: String, within limit: Duration = .seconds(60), until condition: (Seen) -> Bool
  ) throws(ProcessFailure) -> Seen {
    let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
    changed.lock()
    defer { changed.unlock() }
    while true {
      let now = current
      if condition(now) { return now }
      guard changed.wait(until: deadline) else {
        throw ProcessFailure(
          .tooLate, "the line: no \(what) within \(limit); console:\n\(now.text.suffix(500))")
      }
    }
  }

  /// Types a line on the board's console. The return in front ends what a frame that a reset cut in
  /// two may have left there as text.
  public func type(_ line: String) { board.write(Array("\r\(line)\r".utf8)) }

  /// Puts bytes on the line to the bridge, as a disturbance would.
  public func disturbBridge(_ bytes: [UInt8]) { _ = bridge.withLock { $0 }?.write(bytes) }

  /// Closes the line to the bridge that is connected.
  public func disconnectBridge() { bridge.withLock { $0?.shutDown() } }

  // MARK: - Holding the line

  /// Lets the line stop in the middle: of the boot behind `boot` the bridge gets `bytes` and no more
  /// until ``release()``. The board goes on; what it sends waits.
  public func holdLine(afterBoot boot: UInt32, bytes: Int) {
    flow.hold(afterBoot: boot, bytes: bytes)
  }

  /// Waits until the line has stopped.
  public func waitUntilHeld(within limit: Duration = .seconds(60)) throws(ProcessFailure) {
    guard !flow.waitUntilHeld(within: limit) else { return }
    throw ProcessFailure(
      .tooLate, "the line did not stop within \(limit); console:\n\(current.text.suffix(500))")
  }

  /// Lets the line go on.
  public func release() { flow.release() }

  /// Loses what the board sent and the bridge did not get, and lets the line go on. Pause the board
  /// first: what it sends later must not be lost.
  public func loseRest() {
    // While nobody reads and nothing is left to read, all that the board sent is in the queue.
    while reading.withLock({ board.waitUntilReadable(within: .zero) }) {}
    flow.lose()
  }

  // MARK: - Passing on

  /// Reads what the board sends, also while a bridge that is dead takes nothing.
  private func readBoard() {
    let inbox = Inbox()
    while true {
      guard board.waitUntilReadable(within: .seconds(600)) else { continue }
      let hasEnded = reading.withLock {
        let bytes = board.read()
        // The frames first: what the bridge is killed for must be on record before it can act on it.
        note(bytes, inbox)
        let now = current
        flow.put(LineFlow.Run(bytes: bytes, end: now.bytes, boot: now.hello?.bootCount ?? 0))
        return bytes.isEmpty
      }
      if hasEnded { break }
    }
    flow.close()
  }

  private func passFromBoard() {
    while let bytes = flow.next() { _ = bridge.withLock { $0 }?.write(bytes) }
  }

  private func passFromBridges() {
    while let connection = try? listener.accept(within: .seconds(600)) {
      // What is on the way to a bridge is in the queue, where it can be held and lost.
      connection.limitUnsent(to: 4 << 10)
      bridge.withLock { $0 = connection }
      update {
        $0.bridges += 1
        $0.isConnected = true
      }
      while true {
        let bytes = connection.read()
        if bytes.isEmpty { break }
        board.write(bytes)
      }
      bridge.withLock { $0 = nil }
      update { $0.isConnected = false }
    }
  }

  private func note(_ bytes: [UInt8], _ inbox: Inbox) {
    update { seen in
      seen.bytes += bytes.count
      for byte in bytes {
        switch inbox.receiver.receive(byte) {
        case .text(let byte): seen.text.unicodeScalars.append(Unicode.Scalar(byte))
        case .twoOfText(let first, let second):
          seen.text.unicodeScalars.append(Unicode.Scalar(first))
          seen.text.unicodeScalars.append(Unicode.Scalar(second))
        case .frame(let frame):
          seen.payloads += frame.payload
          Self.note(frame, in: &seen)
        case .nothing, .damaged: break
        }
      }
    }
  }

  private static func note(_ frame: Frame, in seen: inout Seen) {
    switch FrameType(rawValue: frame.type) {
    case .hello: seen.hello = (try? Hello(decoding: frame.payload)) ?? seen.hello
    case .starting: seen.starts += 1
    case .data: seen.dataFrames += 1
    case .done:
      if let done = try? Done(decoding: frame.payload), done.status == .done {
        seen.told.insert(done.key)
      }
    default: break
    }
  }

  private func update(_ change: (inout Seen) -> Void) {
    seen.withLock { change(&$0) }
    changed.withLock { changed.broadcast() }
  }
}

/// A frame receiver with the memory it works in.
private final class Inbox {
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: FrameLimit.largest, alignment: 8)
  var receiver: FrameReceiver

  init() { receiver = FrameReceiver(buffer: buffer) }

  deinit { buffer.deallocate() }
}
