// What a board has sent and the bridge has not got yet, and the byte at which a test stops it.

import Foundation

/// A queue of bytes that can be held at a byte of the line, and can lose what is behind it.
final class LineFlow: @unchecked Sendable {
  /// Bytes that arrived in one piece.
  struct Run: Sendable {
    var bytes: [UInt8]
    /// How many the board had sent with them.
    var end: Int
    /// The board's boot count by then.
    var boot: UInt32
  }

  private enum Hold {
    case none
    /// Until the first byte so many bytes behind the HELLO of a boot after this.
    case awaited(boot: UInt32, distance: Int)
    case placed(at: Int)
    case reached
  }

  /// Bytes that wait for a bridge. A board does not wait for one, as on a line without flow control;
  /// more bytes are lost, as in any adapter that nobody reads from.
  private static let capacity = 4 << 20

  /// Guards what follows; signalled at every change.
  private let changed = NSCondition()
  private var runs: [Run] = []
  private var count = 0
  private var isClosed = false
  private var hold = Hold.none

  /// Takes what the board sent.
  func put(_ run: Run) {
    changed.withLock {
      guard count + run.bytes.count <= Self.capacity else { return }
      runs.append(run)
      count += run.bytes.count
    }
    changed.broadcast()
  }

  /// No more comes.
  func close() {
    changed.withLock { isClosed = true }
    changed.broadcast()
  }

  /// The next bytes that may pass; waits for them.
  ///
  /// - Returns: `nil` after the last.
  func next() -> [UInt8]? {
    changed.lock()
    defer { changed.unlock() }
    while !isClosed {
      if let bytes = take(), !bytes.isEmpty { return bytes }
      if runs.isEmpty || isHeld { changed.wait() }
    }
    return nil
  }

  private var isHeld: Bool { if case .reached = hold { true } else { false } }

  /// What may pass of the first run.
  private func take() -> [UInt8]? {
    guard !isHeld, var run = runs.first else { return nil }
    runs.removeFirst()
    count -= run.bytes.count
    if case .awaited(let boot, let distance) = hold, run.boot > boot {
      hold = .placed(at: run.end + distance)
    }
    guard case .placed(let place) = hold, place < run.end else { return run.bytes }
    let first = max(0, run.bytes.count - (run.end - place))
    let bytes = Array(run.bytes.prefix(first))
    run.bytes.removeFirst(first)
    runs.insert(run, at: 0)
    count += run.bytes.count
    hold = .reached
    changed.broadcast()
    return bytes
  }

  /// Lets the line stop so many bytes behind the first HELLO of a boot after this one.
  func hold(afterBoot boot: UInt32, bytes: Int) {
    changed.withLock { hold = .awaited(boot: boot, distance: bytes) }
  }

  /// Whether the line has stopped before the time is over.
  func waitUntilHeld(within limit: Duration) -> Bool {
    let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
    changed.lock()
    defer { changed.unlock() }
    while !isHeld { if !changed.wait(until: deadline) { return isHeld } }
    return true
  }

  /// Lets the line go on.
  func release() {
    changed.withLock { hold = .none }
    changed.broadcast()
  }

  /// Forgets what has not passed, and lets the line go on.
  func lose() {
    changed.withLock {
      runs = []
      count = 0
      hold = .none
    }
    changed.broadcast()
  }
}
