// What goes to a device: writes one after the other, each until the device has all of it.

import Synchronization

/// Sends writes over an OUT endpoint, in order.
///
/// One transfer is in flight at a time: when a device takes only a part of it, the rest has to come
/// before anything else. A transfer is far longer than the pause between two.
final class USBWriter: Sendable {
  /// Most bytes of one transfer; what the system takes in one piece.
  static let length = 16 << 10
  /// Transfers in a row that a device may answer without taking a byte.
  static let mostEmpty = 3

  private struct Write {
    let id: Int
    let bytes: [UInt8]
    var sent = 0
    var isCancelled = false
    let done: CheckedContinuation<Void, any Error>
  }

  private struct State {
    /// The first one is being sent.
    var writes: [Write] = []
    var nextID = 0
    var transfer: (any USBTransfer)?
    var isInFlight = false
    var isClosed = false
    var failure: SerialLinkError?
    var hasStalled = false
    var isClearing = false
    var empty = 0
    var closers: [CheckedContinuation<Void, Never>] = []
  }

  /// A write that is over, and how: resumed outside the lock.
  private typealias Verdict = (CheckedContinuation<Void, any Error>, Result<Void, any Error>)

  private let handle: any USBHandle
  private let endpoint: UInt8
  private let name: String
  private let state = Mutex(State())

  init(_ handle: any USBHandle, endpoint: UInt8, name: String) {
    self.handle = handle
    self.endpoint = endpoint
    self.name = name
  }

  // MARK: - Taken by the line's user

  /// Sends `bytes` and returns when the device has them all.
  ///
  /// - Throws: ``SerialLinkError`` when the device was pulled out or failed; `CancellationError`,
  ///   after which a part may have been sent.
  func write(_ bytes: [UInt8]) async throws {
    guard !bytes.isEmpty else { return }
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { done in
        let verdicts = state.withLock { state -> [Verdict] in
          if Task.isCancelled || state.isClosed { return [(done, .failure(CancellationError()))] }
          state.writes.append(Write(id: id, bytes: bytes, done: done))
          return send(&state)
        }
        settle(verdicts)
      }
    } onCancel: {
      cancel(id)
    }
  }

  /// Cancels what is in flight and waits until nothing is.
  func close() async {
    await withCheckedContinuation { closer in
      let verdicts = state.withLock { state -> [Verdict] in
        state.isClosed = true
        state.closers.append(closer)
        state.transfer?.cancel()
        return dropAll(&state, CancellationError())
      }
      settle(verdicts)
    }
  }

  private func cancel(_ id: Int) {
    let verdicts = state.withLock { state -> [Verdict] in
      guard let index = state.writes.firstIndex(where: { $0.id == id }) else { return [] }
      if index == 0, state.isInFlight {
        state.writes[0].isCancelled = true
        state.transfer?.cancel()
        return []
      }
      return [(state.writes.remove(at: index).done, .failure(CancellationError()))]
    }
    settle(verdicts)
  }

  /// Tells writers, and whoever closes, what became of it.
  private func settle(_ verdicts: [Verdict]) {
    for (done, result) in verdicts { done.resume(with: result) }
    let closers = state.withLock { state in
      guard state.isClosed, !state.isInFlight, !state.isClearing else {
        return [CheckedContinuation<Void, Never>]()
      }
      defer { state.closers = [] }
      return state.closers
    }
    for closer in closers { closer.resume() }
  }

  // MARK: - Inside the lock

  /// Starts the next transfer when none is in flight.
  private func send(_ state: inout State) -> [Verdict] {
    guard !state.isInFlight, !state.isClearing, !state.isClosed else { return [] }
    if let failure = state.failure { return dropAll(&state, failure) }
    guard let write = state.writes.first else { return [] }
    let piece = Array(write.bytes[write.sent...].prefix(Self.length))
    do throws(SerialLinkError) {
      state.transfer = try handle.submit(.output(endpoint: endpoint, piece)) { self.ended($0) }
      state.isInFlight = true
      return []
    } catch {
      state.failure = error
      return dropAll(&state, error)
    }
  }

  private func dropAll(_ state: inout State, _ error: any Error) -> [Verdict] {
    defer { state.writes = [] }
    return state.writes.map { ($0.done, .failure(error)) }
  }

  // MARK: - On a thread of the bus

  private func ended(_ outcome: USBOutcome) {
    let (verdicts, mustClear) = state.withLock { state -> ([Verdict], Bool) in
      state.isInFlight = false
      state.transfer = nil
      var verdicts = advance(&state, by: outcome)
      let mustClear = note(outcome.status, &state)
      verdicts += send(&state)
      return (verdicts, mustClear)
    }
    settle(verdicts)
    if mustClear { clearHalt() }
  }

  /// Counts what was sent; a write that is complete, or given up, is over.
  private func advance(_ state: inout State, by outcome: USBOutcome) -> [Verdict] {
    guard !state.writes.isEmpty else { return [] }
    state.writes[0].sent += outcome.sent
    if outcome.status == .completed {
      state.hasStalled = false
      state.empty = outcome.sent > 0 ? 0 : state.empty + 1
    }
    if state.writes[0].sent >= state.writes[0].bytes.count {
      return [(state.writes.removeFirst().done, .success(()))]
    }
    if state.writes[0].isCancelled {
      return [(state.writes.removeFirst().done, .failure(CancellationError()))]
    }
    return []
  }

  /// - Returns: whether the endpoint has to be started again.
  private func note(_ status: USBOutcome.Status, _ state: inout State) -> Bool {
    switch status {
    case .completed where state.empty < Self.mostEmpty: return false
    case .cancelled: return false
    case .stalled where !state.hasStalled && !state.isClosed:
      state.hasStalled = true
      state.isClearing = true
      return true
    case .completed, .stalled, .gone, .timedOut, .failed:
      state.failure = SerialLinkError(usb: status, verb: "write to", what: name)
      return false
    }
  }

  private func clearHalt() {
    Task {
      let error = await handle.clearHaltInBackground(endpoint)
      let verdicts = state.withLock { state -> [Verdict] in
        state.isClearing = false
        state.failure = state.failure ?? error
        return send(&state)
      }
      settle(verdicts)
    }
  }
}
