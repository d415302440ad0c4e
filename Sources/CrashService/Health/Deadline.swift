// Waits for something no longer than so.

import Synchronization

/// It took too long.
struct DeadlinePassed: Error {}

/// What `body` returns, unless that takes too long: then it goes on by itself and nobody waits for it.
///
/// A database call does not end because its task is cancelled, so a task group would wait for it all the
/// same.
/// - Throws: ``DeadlinePassed``, or what `body` throws.
func within<Value: Sendable>(
  _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
  let first = FirstResult<Value>()
  let work = Task {
    do { first.settle(.success(try await body())) } catch { first.settle(.failure(error)) }
  }
  let timer = Task {
    try await Task.sleep(for: limit)
    first.settle(.failure(DeadlinePassed()))
  }
  defer { timer.cancel() }
  return try await withTaskCancellationHandler {
    try await withCheckedThrowingContinuation { first.wait($0) }
  } onCancel: {
    work.cancel()
    first.settle(.failure(CancellationError()))
  }
}

/// A result that comes once; later ones are dropped.
private final class FirstResult<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiting: CheckedContinuation<Value, any Error>?
  }

  private let state = Mutex(State())

  func settle(_ result: Result<Value, any Error>) {
    let waiting = state.withLock { state -> CheckedContinuation<Value, any Error>? in
      guard state.result == nil else { return nil }
      state.result = result
      defer { state.waiting = nil }
      return state.waiting
    }
    waiting?.resume(with: result)
  }

  func wait(_ continuation: CheckedContinuation<Value, any Error>) {
    let result = state.withLock { state -> Result<Value, any Error>? in
      if state.result == nil { state.waiting = continuation }
      return state.result
    }
    if let result { continuation.resume(with: result) }
  }
}
