// A bounded number of connections, and a bounded queue in front of them.

import Synchronization

/// Lends sessions. Who does not get one in time is refused, so that a slow server does not collect work
/// without end.
final class PostgresPool: Sendable {
  private typealias Continuation = CheckedContinuation<PostgresSession, any Error>

  private struct Waiter {
    var number: UInt64
    var deadline: ContinuousClock.Instant
    var continuation: Continuation
  }

  private struct State {
    var idle: [PostgresSession] = []
    var sessions: [PostgresSession] = []
    var waiters: [Waiter] = []
    var nextNumber: UInt64 = 0
    /// Whether a task looks after waiters whose time is over.
    var isWatching = false
    var isClosed = false
  }

  private let target: String
  private let options: PostgresOptions
  private let state = Mutex(State())

  init(_ target: String, options: PostgresOptions) {
    self.target = target
    self.options = options
  }

  /// How many callers wait for a session.
  var waitingCount: Int { state.withLock { $0.waiters.count } }

  /// Lends a session to `body`.
  /// - Throws: ``SQLFailure`` with `busy` when none came free in time; `CancellationError` when the
  ///   task was cancelled before it had one; what `body` throws.
  func lend<Value>(_ body: (PostgresSession) async throws -> Value) async throws -> Value {
    let session = try await acquire()
    defer { release(session) }
    return try await body(session)
  }

  /// Refuses all that wait and all that come. Returns when every connection is closed.
  func close() async {
    let (waiters, sessions) = state.withLock { state in
      state.isClosed = true
      defer { state.waiters = [] }
      return (state.waiters, state.sessions)
    }
    for waiter in waiters { waiter.continuation.resume(throwing: SQLFailure.closed) }
    for session in sessions { await session.close() }
  }

  private func acquire() async throws -> PostgresSession {
    try Task.checkCancellation()
    let number = state.withLock { state in
      state.nextNumber += 1
      return state.nextNumber
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        enter(number, continuation)
        // Cancelled between the check above and the queue: the handler found nobody there.
        if Task.isCancelled { leave(number) }
      }
    } onCancel: {
      leave(number)
    }
  }

  private func enter(_ number: UInt64, _ continuation: Continuation) {
    let (answer, startsWatch): (Result<PostgresSession, any Error>?, Bool) = state.withLock {
      state in
      if state.isClosed { return (.failure(SQLFailure.closed), false) }
      if let session = state.idle.popLast() { return (.success(session), false) }
      if state.sessions.count < options.connections {
        let session = PostgresSession(target, options: options)
        state.sessions.append(session)
        return (.success(session), false)
      }
      guard state.waiters.count < options.mostWaiting else {
        return (.failure(SQLFailure.noneFree), false)
      }
      state.waiters.append(
        Waiter(
          number: number, deadline: .now + options.acquireTimeout, continuation: continuation))
      defer { state.isWatching = true }
      return (nil, !state.isWatching)
    }
    if let answer { continuation.resume(with: answer) }
    if startsWatch { Task { await watch() } }
  }

  /// Takes a caller out of the queue that does not want a session any more.
  private func leave(_ number: UInt64) {
    let waiter = state.withLock { state -> Waiter? in
      guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return nil }
      return state.waiters.remove(at: index)
    }
    waiter?.continuation.resume(throwing: CancellationError())
  }

  private func release(_ session: PostgresSession) {
    let waiter = state.withLock { state -> Waiter? in
      guard state.waiters.isEmpty else { return state.waiters.removeFirst() }
      state.idle.append(session)
      return nil
    }
    waiter?.continuation.resume(returning: session)
  }

  /// Refuses those whose time is over, as long as somebody waits. All wait equally long, so the first
  /// in the queue is the first to go.
  private func watch() async {
    while true {
      let (expired, next) = state.withLock { state in
        let now = ContinuousClock.now
        let count = state.waiters.prefix { $0.deadline <= now }.count
        let expired = Array(state.waiters.prefix(count))
        state.waiters.removeFirst(count)
        if state.waiters.isEmpty { state.isWatching = false }
        return (expired, state.waiters.first?.deadline)
      }
      for waiter in expired { waiter.continuation.resume(throwing: SQLFailure.noneFree) }
      guard let next else { return }
      try? await Task.sleep(until: next, clock: .continuous)
    }
  }
}

extension SQLFailure {
  fileprivate static let noneFree = SQLFailure(
    code: .busy, message: "no connection to the database came free in time")
  fileprivate static let closed = SQLFailure(
    code: .unavailable, message: "the database was closed")
}
