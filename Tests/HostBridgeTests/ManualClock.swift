// A clock that stands still until the test moves it.

import Synchronization

/// Sleepers wake when ``advance(by:)`` reaches their time, and never otherwise.
final class ManualClock: Clock {
  struct Instant: InstantProtocol {
    var offset: Duration

    func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    func duration(to other: Instant) -> Duration { other.offset - offset }
    static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
  }

  private struct Sleeper {
    let id: Int
    let until: Instant
    let wake: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now = Instant(offset: .zero)
    var sleepers: [Sleeper] = []
    var nextID = 0
    var observers: [(count: Int, wake: CheckedContinuation<Void, Never>)] = []
  }

  private let state = Mutex(State())

  var now: Instant { state.withLock { $0.now } }
  var minimumResolution: Duration { .nanoseconds(1) }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { wake in
        let verdict: Result<Void, any Error>? = state.withLock { state in
          if Task.isCancelled { return .failure(CancellationError()) }
          if deadline <= state.now { return .success(()) }
          state.sleepers.append(Sleeper(id: id, until: deadline, wake: wake))
          return nil
        }
        if let verdict { wake.resume(with: verdict) }
        tellObservers()
      }
    } onCancel: {
      let sleeper: Sleeper? = state.withLock { state in
        guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
        return state.sleepers.remove(at: index)
      }
      sleeper?.wake.resume(throwing: CancellationError())
    }
  }

  /// Moves the time and wakes whoever waited for it.
  func advance(by duration: Duration) {
    let woken: [Sleeper] = state.withLock { state in
      state.now = state.now.advanced(by: duration)
      let now = state.now
      let due = state.sleepers.filter { $0.until <= now }
      state.sleepers.removeAll { $0.until <= now }
      return due
    }
    for sleeper in woken { sleeper.wake.resume() }
  }

  /// Returns when somebody sleeps on the clock.
  func waitForSleeper() async {
    await withCheckedContinuation { wake in
      let isThere = state.withLock { state in
        if !state.sleepers.isEmpty { return true }
        state.observers.append((1, wake))
        return false
      }
      if isThere { wake.resume() }
    }
  }

  private func tellObservers() {
    let woken = state.withLock { state in
      guard !state.sleepers.isEmpty else { return [CheckedContinuation<Void, Never>]() }
      defer { state.observers = [] }
      return state.observers.map(\.wake)
    }
    for wake in woken { wake.resume() }
  }
}
