// Output to a terminal, a pipe or a file that may stand still: whoever writes goes on all the same.

import Foundation
import Synchronization

/// Writes to a descriptor on a thread of its own.
///
/// A terminal that is paused, or a pipe that nobody reads, blocks its writer for as long as it likes.
/// Output waits here meanwhile, up to a limit; what comes beyond it is dropped, and a line says how much.
public final class OutputQueue: Sendable {
  private struct State {
    var waiting = Data()
    var dropped = 0
    var isWriting = false
  }

  private let descriptor: CInt
  private let limit: Int
  private let notice: @Sendable (Int) -> Data
  private let state = Mutex(State())
  private let thread = DispatchQueue(label: "output")

  /// - Parameters:
  ///   - descriptor: stays open for as long as the queue is used.
  ///   - limit: the most bytes that wait.
  ///   - notice: what to write in place of so many dropped bytes.
  public init(
    _ descriptor: CInt, limit: Int = 8 << 20,
    notice: @escaping @Sendable (Int) -> Data = { Data("[\($0) bytes are not shown]\n".utf8) }
  ) {
    self.descriptor = descriptor
    self.limit = limit
    self.notice = notice
  }

  /// Takes output, all of it or nothing. Returns at once.
  public func write(_ output: Data) {
    let mustStart = state.withLock { state in
      guard state.waiting.count + output.count <= limit else {
        state.dropped += output.count
        return false
      }
      if state.dropped > 0 {
        state.waiting += notice(state.dropped)
        state.dropped = 0
      }
      state.waiting += output
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if mustStart { thread.async { self.drain() } }
  }

  /// Returns when all that was taken before is written, or after `limit`.
  public func flush(within limit: Duration) async { await thread.finish(within: limit) }

  private func drain() {
    while true {
      let output = state.withLock { state in
        defer { state.waiting = Data() }
        state.isWriting = !state.waiting.isEmpty
        return state.waiting
      }
      if output.isEmpty { return }
      var rest = output[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        // A reader that went away, or a full disk, is no reason to stop serving boards.
        if count <= 0 { break }
        rest = rest.dropFirst(count)
      }
    }
  }
}

extension DispatchQueue {
  /// Returns when the work that was put in before is done, or after `limit`: it may never be, on a
  /// terminal or a disk that stands still.
  func finish(within limit: Duration) async {
    let (stream, input) = AsyncStream.makeStream(of: Void.self)
    async { input.finish() }
    DispatchQueue.global().asyncAfter(deadline: .now() + limit / .seconds(1)) { input.finish() }
    for await _ in stream {}
  }
}
