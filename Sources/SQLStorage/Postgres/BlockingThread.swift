// A thread for calls that wait.

import Foundation

/// Runs what it is given, one after the other, on a thread of its own, so that no thread of the task pool
/// waits. The thread ends with the object.
final class BlockingThread: Sendable {
  private let queue = Queue()

  init(name: String) {
    let thread = Thread { [queue] in
      while let work = queue.next() { work() }
    }
    thread.name = name
    thread.stackSize = 1 << 20
    thread.start()
  }

  deinit { queue.end() }

  /// Runs `work` and answers what it returns or throws.
  func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      queue.add { continuation.resume(with: Result { try work() }) }
    }
  }

  /// What waits for the thread. The condition guards the rest.
  private final class Queue: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    private var hasEnded = false

    func add(_ work: @escaping @Sendable () -> Void) {
      condition.withLock { waiting.append(work) }
      condition.signal()
    }

    func end() {
      condition.withLock { hasEnded = true }
      condition.signal()
    }

    /// `nil` when there is nothing left and nothing will come.
    func next() -> (@Sendable () -> Void)? {
      condition.lock()
      defer { condition.unlock() }
      while waiting.isEmpty, !hasEnded { condition.wait() }
      return waiting.isEmpty ? nil : waiting.removeFirst()
    }
  }
}
