// Keeps consent as it is while a dump is being stored.

import Synchronization

/// A lock for tasks: any number may hold it shared, or one alone. Who waits to hold it alone goes
/// before those who ask later, so that a stream of uploads cannot put off a revocation.
final class PlacementGate: Sendable {
  private struct State {
    var shared = 0
    var isExclusive = false
    var waiting: [(isExclusive: Bool, continuation: CheckedContinuation<Void, Never>)] = []

    /// Takes from the front of the queue whoever may go now.
    mutating func admit() -> [CheckedContinuation<Void, Never>] {
      var admitted: [CheckedContinuation<Void, Never>] = []
      while let next = waiting.first, !isExclusive, !next.isExclusive || shared == 0 {
        waiting.removeFirst()
        if next.isExclusive { isExclusive = true } else { shared += 1 }
        admitted.append(next.continuation)
      }
      return admitted
    }
  }

  private let state = Mutex(State())

  /// How many wait to be let in.
  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Runs `body` beside others that hold the gate shared.
  func shared<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    await enter(exclusively: false)
    defer { leave { $0.shared -= 1 } }
    return try await body()
  }

  /// Runs `body` while nobody else holds the gate.
  func exclusive<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    await enter(exclusively: true)
    defer { leave { $0.isExclusive = false } }
    return try await body()
  }

  private func enter(exclusively: Bool) async {
    let isIn = state.withLock { state in
      guard state.waiting.isEmpty, !state.isExclusive, !exclusively || state.shared == 0 else {
        return false
      }
      if exclusively { state.isExclusive = true } else { state.shared += 1 }
      return true
    }
    if isIn { return }
    await withCheckedContinuation { continuation in
      let admitted = state.withLock { state in
        state.waiting.append((exclusively, continuation))
        return state.admit()
      }
      for next in admitted { next.resume() }
    }
  }

  private func leave(_ change: (inout State) -> Void) {
    let admitted = state.withLock { state in
      change(&state)
      return state.admit()
    }
    for next in admitted { next.resume() }
  }
}
