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
    public var hello: Hello?
    public var starts = 0
    public var text = ""
  }

  /// The address for `martlet-bridge --board`.
  public let address: String
  private let listener: LineSocket
  private let board: LineSocket
  private let bridge = Mutex<LineSocket?>(nil)
  private let seen = Mutex(Seen())
  private let changed = NSCondition()

  /// - Parameters:
  ///   - board: the board's end of the line.
  ///   - path: where bridges connect.
  public init(board: LineSocket, listeningAt path: String) throws {
    self.board = board
    address = "unix:\(path)"
    listener = try LineSocket(listeningAt: path)
    Thread.detachNewThread { [self] in passFromBoard() }
    Thread.detachNewThread { [self] in passFromBridges() }
  }

  /// Ends both threads.
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

  // MARK: - Passing on

  private func passFromBoard() {
    let inbox = Inbox()
    while true {
      let bytes = board.read()
      if bytes.isEmpty { return }
      // The frames first: what the bridge is killed for must be on record before it can act on it.
      note(bytes, inbox)
      _ = bridge.withLock { $0 }?.write(bytes)
    }
  }

  private func passFromBridges() {
    while let connection = try? listener.accept(within: .seconds(600)) {
      bridge.withLock { $0 = connection }
      update { $0.bridges += 1 }
      while true {
        let bytes = connection.read()
        if bytes.isEmpty { break }
        board.write(bytes)
      }
      bridge.withLock { $0 = nil }
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
        case .frame(let frame): Self.note(frame, in: &seen)
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
