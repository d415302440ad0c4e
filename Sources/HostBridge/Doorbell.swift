// Wakes one waiter; a ring that nobody waits for is kept until somebody does.

import Synchronization

/// Wakes a task that waits for work or for a point in time, whichever comes first.
///
/// Any number of rings before a wait count as one. Only one task waits at a time.
final class Doorbell: Sendable {
  private enum State {
    case quiet
    case rung
    case waiting(CheckedContinuation<Void, Never>)
  }

  private let state = Mutex(State.quiet)

  /// Wakes the waiter, or lets the next wait return at once.
  func ring() {
    let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
      guard case .waiting(let waiter) = state else {
        state = .rung
        return nil
      }
      state = .quiet
      return waiter
    }
    waiter?.resume()
  }

  /// Returns after a ring, or when the task is cancelled.
  func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        let isDone = state.withLock { state in
          if case .rung = state {
            state = .quiet
            return true
          }
          if Task.isCancelled { return true }
          state = .waiting(waiter)
          return false
        }
        if isDone { waiter.resume() }
      }
    } onCancel: {
      let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
        guard case .waiting(let waiter) = state else { return nil }
        state = .quiet
        return waiter
      }
      waiter?.resume()
    }
  }

  /// Returns after a ring, at `deadline` (`nil`: never by itself), or when the task is cancelled.
  func wait(until deadline: Duration?, on clock: BridgeClock) async {
    guard let deadline else { return await wait() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait() }
      group.addTask { try? await clock.sleep(until: deadline) }
      await group.next()
      group.cancelAll()
    }
  }
}
