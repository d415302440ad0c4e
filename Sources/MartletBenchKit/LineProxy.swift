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
  }

  /// The address for `martlet-bridge --board`.
  public let address: String
  private let listener: LineSocket
  private let board: LineSocket
  private let bridge = Mutex<LineSocket?>(nil)
  private let seen = Mutex(Seen())
  private let hold = Mutex<Hold?>(nil)
  private let changed = NSCondition()

  /// Where the line stops passing on what the board sends.
  private struct Hold {
    /// The boot that comes first: one after this.
    var boot: UInt32
    /// How many bytes behind its HELLO, and the place of that on the line once it is known.
    var distance: Int
    var place: Int?
    var isReached = false
    /// What becomes of the bytes behind it, once the line may go on.
    var ending: Ending?

    enum Ending { case passed, lost }
  }

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

  // MARK: - Holding the line

  /// Lets the line stop in the middle: of the boot behind `boot` the bridge gets `bytes` and no more
  /// until ``release()``. The board goes on; what it sends waits.
  public func holdLine(afterBoot boot: UInt32, bytes: Int) {
    hold.withLock { $0 = Hold(boot: boot, distance: bytes) }
  }

  /// Waits until the line has stopped.
  public func waitUntilHeld() throws(ProcessFailure) {
    try wait(for: "byte at which the line stops") { _ in hold.withLock { $0?.isReached ?? true } }
  }

  /// Lets the line go on.
  ///
  /// - Parameter losing: whether what the board sent and the bridge did not get is lost. Pause the
  ///   board first.
  public func release(losing: Bool = false) {
    while losing, board.waitUntilReadable(within: .zero), !board.read().isEmpty {}
    hold.withLock { held in
      if held?.isReached == true {
        if held?.ending == nil { held?.ending = losing ? .lost : .passed }
      } else {
        held = nil
      }
    }
    changed.withLock { changed.broadcast() }
  }

  /// How many of these bytes, the last of `total`, may pass before the line stops.
  private func allowance(of count: Int, _ total: Int) -> Int? {
    let boot = current.hello?.bootCount ?? 0
    return hold.withLock { hold in
      guard var held = hold, !held.isReached, boot > held.boot else { return nil }
      held.place = held.place ?? total + held.distance
      defer { hold = held }
      guard let place = held.place, place < total else { return nil }
      return max(0, count - (total - place))
    }
  }

  /// Stops here until somebody lets the line go on.
  ///
  /// - Returns: whether what was not passed on is still to be.
  private func stop() -> Bool {
    hold.withLock { $0?.isReached = true }
    changed.lock()
    defer { changed.unlock() }
    changed.broadcast()
    while true {
      let ending = hold.withLock { held in
        defer { if held?.ending != nil { held = nil } }
        return held?.ending
      }
      if let ending { return ending == .passed }
      changed.wait()
    }
  }

  // MARK: - Passing on

  private func passFromBoard() {
    let inbox = Inbox()
    while true {
      let bytes = board.read()
      if bytes.isEmpty { return }
      // The frames first: what the bridge is killed for must be on record before it can act on it.
      note(bytes, inbox)
      pass(bytes)
    }
  }

  private func pass(_ bytes: [UInt8]) {
    guard let first = allowance(of: bytes.count, current.bytes) else {
      _ = bridge.withLock { $0 }?.write(bytes)
      return
    }
    _ = bridge.withLock { $0 }?.write(Array(bytes.prefix(first)))
    if stop() { _ = bridge.withLock { $0 }?.write(Array(bytes.dropFirst(first))) }
  }

  private func passFromBridges() {
    while let connection = try? listener.accept(within: .seconds(600)) {
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
