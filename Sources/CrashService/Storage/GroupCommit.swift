// Commits what many tasks want to write in few transactions.

import SQLStorage
import Synchronization

/// How much a ``GroupCommit`` takes.
public struct GroupCommitLimits: Equatable, Sendable {
  /// The most items of one transaction.
  public var mostTogether: Int
  /// The most items that wait for one; more are refused.
  public var mostWaiting: Int
  /// How many transactions may run at the same time.
  public var lanes: Int

  public init(mostTogether: Int = 32, mostWaiting: Int = 256, lanes: Int = 1) {
    self.mostTogether = max(1, mostTogether)
    self.mostWaiting = max(1, mostWaiting)
    self.lanes = max(1, lanes)
  }
}

/// Too many items wait: the caller may try again in a second.
struct GroupCommitFull: Error {}

/// Gathers items while a transaction runs and writes them with the next: so a disk that takes
/// milliseconds for a commit still takes thousands of items a second.
final class GroupCommit<Item: Sendable, Outcome: Sendable>: Sendable {
  typealias Commit = @Sendable ([Item]) async throws -> [Outcome]

  private struct Waiting {
    var item: Item
    var continuation: CheckedContinuation<Outcome, any Error>
  }

  private struct State {
    var waiting: [Waiting] = []
    var lanes = 0
  }

  private let limits: GroupCommitLimits
  private let metrics: ServiceMetrics.Commits?
  private let commit: Commit
  private let state = Mutex(State())

  /// - Parameters:
  ///   - metrics: counts transactions.
  ///   - commit: writes items in one transaction; answers each in its order, or throws when nothing was
  ///     written.
  init(
    _ limits: GroupCommitLimits, metrics: ServiceMetrics.Commits? = nil, commit: @escaping Commit
  ) {
    self.limits = limits
    self.metrics = metrics
    self.commit = commit
  }

  var waiting: Int { state.withLock { $0.waiting.count } }
  var hasRoom: Bool { waiting < limits.mostWaiting }

  /// Writes an item. It is committed when the call returns; a caller that is cancelled meanwhile
  /// learns of it all the same.
  /// - Throws: ``GroupCommitFull``, or what the commit threw.
  func submit(_ item: Item) async throws -> Outcome {
    try await withCheckedThrowingContinuation { continuation in
      let (isTaken, opensLane) = state.withLock { state -> (Bool, Bool) in
        guard state.waiting.count < limits.mostWaiting else { return (false, false) }
        state.waiting.append(Waiting(item: item, continuation: continuation))
        guard state.lanes < limits.lanes else { return (true, false) }
        state.lanes += 1
        return (true, true)
      }
      if !isTaken { continuation.resume(throwing: GroupCommitFull()) }
      if opensLane { Task { await run() } }
    }
  }

  /// Commits until nothing waits.
  private func run() async {
    while true {
      let batch = state.withLock { state in
        let batch = Array(state.waiting.prefix(limits.mostTogether))
        state.waiting.removeFirst(batch.count)
        if batch.isEmpty { state.lanes -= 1 }
        return batch
      }
      if batch.isEmpty { return }
      await settle(batch)
    }
  }

  private func settle(_ batch: [Waiting]) async {
    do {
      let start = ContinuousClock.now
      let outcomes = try await commit(batch.map(\.item))
      metrics?.take(items: batch.count, duration: .now - start)
      for (waiting, outcome) in zip(batch, outcomes) {
        waiting.continuation.resume(returning: outcome)
      }
    } catch {
      // One that cannot be written must not take the others with it.
      guard batch.count > 1, !error.isTransientStorageFailure else {
        for waiting in batch { waiting.continuation.resume(throwing: error) }
        return
      }
      for waiting in batch { await settle([waiting]) }
    }
  }
}

extension Error {
  /// Whether the database, and not what was to be written, is the reason.
  fileprivate var isTransientStorageFailure: Bool {
    (self as? SQLFailure)?.isTransient ?? (self is CancellationError)
  }
}
