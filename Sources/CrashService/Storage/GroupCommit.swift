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
  /// How long a transaction waits for items that are on their way.
  public var patience: Duration

  public init(
    mostTogether: Int = 32, mostWaiting: Int = 256, lanes: Int = 1,
    patience: Duration = .milliseconds(2)
  ) {
    self.mostTogether = max(1, mostTogether)
    self.mostWaiting = max(1, mostWaiting)
    self.lanes = max(1, lanes)
    self.patience = patience
  }
}

/// Too many items wait: the caller may try again in a second.
struct GroupCommitFull: Error {}

/// Gathers items while a transaction runs and writes them with the next: so a disk that takes
/// milliseconds for a commit still takes thousands of items a second.
///
/// A disk that takes less would get transactions of one or two, each of which writes the same pages of
/// indices again. So a transaction waits, for a moment, until half as many items are there as are on their way:
/// the disk works on those while the processors work on the others.
final class GroupCommit<Item: Sendable, Outcome: Sendable>: Sendable {
  typealias Commit = @Sendable ([Item]) async throws -> [Outcome]

  private struct Waiting {
    var item: Item
    var continuation: CheckedContinuation<Outcome, any Error>
  }

  private struct State {
    var waiting: [Waiting] = []
    var lanes = 0
    /// Callers that will submit something, or have done so and not yet got word.
    var expected = 0
    /// Items in transactions.
    var committing = 0
    /// The lane that waits for more items.
    var gathering: (number: UInt64, continuation: CheckedContinuation<Void, Never>)?
    var nextNumber: UInt64 = 0

    /// Whether enough is there for a transaction.
    func isWorthIt(_ limits: GroupCommitLimits) -> Bool {
      let coming = expected - waiting.count - committing
      return 2 * waiting.count >= min(coming, limits.mostTogether)
    }
  }

  private let limits: GroupCommitLimits
  private let metrics: ServiceMetrics.Commits?
  private let commit: Commit
  private let sleep: @Sendable (Duration) async throws -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - metrics: counts transactions.
  ///   - commit: writes items in one transaction; answers each in its order, or throws when nothing was
  ///     written.
  ///   - sleep: waits as long.
  init(
    _ limits: GroupCommitLimits, metrics: ServiceMetrics.Commits? = nil,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    commit: @escaping Commit
  ) {
    self.limits = limits
    self.metrics = metrics
    self.sleep = sleep
    self.commit = commit
  }

  /// Callers inside of ``expecting(_:)``.
  var expected: Int { state.withLock { $0.expected } }
  var waiting: Int { state.withLock { $0.waiting.count } }
  var hasRoom: Bool { waiting < limits.mostWaiting }

  /// Runs `body`, which will submit an item unless something comes between.
  func expecting<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    state.withLock { $0.expected += 1 }
    defer { change { $0.expected -= 1 } }
    return try await body()
  }

  /// Writes an item. It is committed when the call returns; a caller that is cancelled meanwhile
  /// learns of it all the same.
  /// - Throws: ``GroupCommitFull``, or what the commit threw.
  func submit(_ item: Item) async throws -> Outcome {
    try await withCheckedThrowingContinuation { continuation in
      var isTaken = false
      change { state in
        isTaken = state.waiting.count < limits.mostWaiting
        if isTaken { state.waiting.append(Waiting(item: item, continuation: continuation)) }
      }
      if !isTaken { continuation.resume(throwing: GroupCommitFull()) }
    }
  }

  /// Changes the state; sends the lane that gathers on its way, or opens one for what waits.
  private func change(_ body: (inout State) -> Void) {
    var opensLane = false
    let ready: CheckedContinuation<Void, Never>? = state.withLock { state in
      body(&state)
      if let gathering = state.gathering {
        guard state.isWorthIt(limits) else { return nil }
        state.gathering = nil
        return gathering.continuation
      }
      opensLane = !state.waiting.isEmpty && state.lanes < limits.lanes
      if opensLane { state.lanes += 1 }
      return nil
    }
    ready?.resume()
    if opensLane { Task { await run() } }
  }

  /// Commits until nothing waits.
  private func run() async {
    while true {
      await gather()
      let batch = state.withLock { state in
        let batch = Array(state.waiting.prefix(limits.mostTogether))
        state.waiting.removeFirst(batch.count)
        state.committing += batch.count
        if batch.isEmpty { state.lanes -= 1 }
        return batch
      }
      if batch.isEmpty { return }
      await settle(batch)
      change { $0.committing -= batch.count }
    }
  }

  /// Waits for what is on its way, unless much is there already or nothing is.
  private func gather() async {
    let number: UInt64? = state.withLock { state in
      guard !state.waiting.isEmpty, state.gathering == nil, !state.isWorthIt(limits) else {
        return nil
      }
      state.nextNumber += 1
      return state.nextNumber
    }
    guard let number else { return }
    var alarm: Task<Void, Never>?
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        guard state.gathering == nil, !state.isWorthIt(limits) else { return false }
        state.gathering = (number, continuation)
        return true
      }
      guard waits else { return continuation.resume() }
      alarm = Task {
        try? await sleep(limits.patience)
        giveUp(number)
      }
    }
    alarm?.cancel()
  }

  private func giveUp(_ number: UInt64) {
    let waiting = state.withLock { state in
      guard let gathering = state.gathering, gathering.number == number else {
        return nil as CheckedContinuation<Void, Never>?
      }
      state.gathering = nil
      return gathering.continuation
    }
    waiting?.resume()
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
