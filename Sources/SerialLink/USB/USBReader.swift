// What comes from a device: several transfers in flight, handed on in order, no more than fits.

import Synchronization

/// Keeps transfers in flight on an IN endpoint and hands on what they bring.
///
/// A transfer that was done is started anew only when its bytes were taken, so a reader that is
/// behind has ``depth`` times ``length`` bytes waiting at most; then the device has to wait.
final class USBReader: Sendable {
  /// Transfers in flight: while the host deals with one, the others take what comes.
  static let depth = 8
  /// Bytes of one transfer: a multiple of every packet size.
  static let length = 4_096

  private struct Slot {
    let id: Int
    var transfer: (any USBTransfer)?
    /// What it brought; `nil` while it is in flight.
    var bytes: [UInt8]?
  }

  private struct State {
    /// In the order in which they were started, which is the order of their bytes.
    var slots: [Slot] = []
    var nextID = 0
    var isClosed = false
    var failure: SerialLinkError?
    /// The endpoint stopped, and nothing has come since.
    var hasStalled = false
    /// Nothing is started until the endpoint goes again.
    var isClearing = false
    var waiter: CheckedContinuation<[UInt8]?, any Error>?
    var closers: [CheckedContinuation<Void, Never>] = []

    var inFlight: Int { slots.count { $0.bytes == nil } }
    var mayStart: Bool { !isClosed && failure == nil && !isClearing }
  }

  private typealias Answer = Result<[UInt8]?, any Error>
  /// A waiter and what it waited for: resumed outside the lock.
  private typealias Delivery = (waiter: CheckedContinuation<[UInt8]?, any Error>, answer: Answer)

  private let handle: any USBHandle
  private let endpoint: UInt8
  private let name: String
  private let chip: any USBSerialChip
  private let report: @Sendable (USBLineFaults) -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - name: the device's, for words.
  ///   - report: takes what the chip noticed; called on a thread of the bus.
  init(
    _ handle: any USBHandle, endpoint: UInt8, name: String, chip: any USBSerialChip,
    report: @escaping @Sendable (USBLineFaults) -> Void
  ) {
    self.handle = handle
    self.endpoint = endpoint
    self.name = name
    self.chip = chip
    self.report = report
  }

  // MARK: - Taken by the line's user

  func start() { state.withLock { fill(&$0) } }

  /// What came since the last call, at least a byte.
  ///
  /// - Returns: `nil` after ``close()``.
  /// - Throws: ``SerialLinkError`` when the device was pulled out or failed, once everything that
  ///   came before was taken; `CancellationError`.
  func next() async throws -> [UInt8]? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { waiter in
        let answer = state.withLock { state -> Answer? in
          if Task.isCancelled { return .failure(CancellationError()) }
          let answer = take(&state)
          if answer == nil { state.waiter = waiter }
          return answer
        }
        if let answer { waiter.resume(with: answer) }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiter.take() }
      waiter?.resume(throwing: CancellationError())
    }
  }

  /// Cancels what is in flight and waits until nothing is.
  func close() async {
    await withCheckedContinuation { closer in
      let waiter = state.withLock { state in
        state.isClosed = true
        state.closers.append(closer)
        cancelAll(state)
        return state.waiter.take()
      }
      waiter?.resume(returning: nil)
      finishClosing()
    }
  }

  private func finishClosing() {
    let closers = state.withLock { state in
      guard state.isClosed, state.inFlight == 0, !state.isClearing else {
        return [CheckedContinuation<Void, Never>]()
      }
      defer { state.closers = [] }
      return state.closers
    }
    for closer in closers { closer.resume() }
  }

  // MARK: - Inside the lock

  /// What can be handed on now, or `nil` when there is nothing yet.
  private func take(_ state: inout State) -> Answer? {
    if state.isClosed { return .success(nil) }
    let count = state.slots.prefix { $0.bytes != nil }.count
    if count > 0 {
      let bytes = state.slots.prefix(count).flatMap { $0.bytes ?? [] }
      state.slots.removeFirst(count)
      fill(&state)
      return .success(bytes)
    }
    return state.failure.map { .failure($0) }
  }

  /// What to hand to whoever waits, if anybody does and there is something.
  private func deliver(_ state: inout State) -> Delivery? {
    guard let waiter = state.waiter, let answer = take(&state) else { return nil }
    state.waiter = nil
    return (waiter, answer)
  }

  /// Starts what may be started. Under the lock, so that the order of the slots is that of the
  /// endpoint's queue.
  private func fill(_ state: inout State) {
    while state.mayStart, state.slots.count < Self.depth {
      let id = state.nextID
      state.nextID += 1
      do throws(SerialLinkError) {
        let transfer = try handle.submit(.input(endpoint: endpoint, length: Self.length)) {
          self.ended(id, $0)
        }
        state.slots.append(Slot(id: id, transfer: transfer))
      } catch {
        fail(&state, error)
      }
    }
  }

  private func fail(_ state: inout State, _ error: SerialLinkError) {
    state.failure = state.failure ?? error
    cancelAll(state)
  }

  private func cancelAll(_ state: borrowing State) {
    for slot in state.slots where slot.bytes == nil { slot.transfer?.cancel() }
  }

  // MARK: - On a thread of the bus

  private func ended(_ id: Int, _ outcome: USBOutcome) {
    let payload = chip.payload(of: outcome.bytes)
    let (delivery, mustClear) = state.withLock { state in
      store(payload.bytes, at: id, in: &state)
      note(outcome.status, in: &state)
      let mustClear = state.isClearing && state.inFlight == 0
      fill(&state)
      return (deliver(&state), mustClear)
    }
    if !payload.faults.isEmpty { report(payload.faults) }
    if let delivery { delivery.waiter.resume(with: delivery.answer) }
    if mustClear { clearHalt() }
    finishClosing()
  }

  /// A transfer without a byte, such as one that brought status alone, makes room for the next.
  private func store(_ bytes: [UInt8], at id: Int, in state: inout State) {
    guard let index = state.slots.firstIndex(where: { $0.id == id }) else { return }
    if bytes.isEmpty {
      state.slots.remove(at: index)
    } else {
      state.slots[index].bytes = bytes
      state.slots[index].transfer = nil
    }
  }

  private func note(_ status: USBOutcome.Status, in state: inout State) {
    switch status {
    case .completed: if !state.isClearing { state.hasStalled = false }
    case .cancelled: break
    case .stalled where !state.hasStalled:
      state.hasStalled = true
      state.isClearing = true
      cancelAll(state)
    case .stalled where state.isClearing: break
    case .stalled, .gone, .timedOut, .failed:
      fail(&state, SerialLinkError(usb: status, verb: "read from", what: name))
    }
  }

  private func clearHalt() {
    Task {
      let error = await handle.clearHaltInBackground(endpoint)
      let delivery = state.withLock { state in
        state.isClearing = false
        if let error { fail(&state, error) }
        fill(&state)
        return deliver(&state)
      }
      if let delivery { delivery.waiter.resume(with: delivery.answer) }
      finishClosing()
    }
  }
}

extension SerialLinkError {
  /// The error for a transfer that ended badly.
  init(usb status: USBOutcome.Status, verb: String, what: String) {
    switch status {
    case .gone:
      self.init(code: .notThere, message: "cannot \(verb) \(what): it was unplugged")
    case .stalled:
      self.init(
        code: .failed, message: "cannot \(verb) \(what): the device stopped the transfer (stall)",
        remedy: "Unplug it and plug it in again.")
    case .timedOut:
      self.init(
        code: .failed, message: "cannot \(verb) \(what): no answer in time",
        remedy: "Unplug it and plug it in again.")
    case .completed, .cancelled, .failed:
      self.init(
        code: .failed, message: "cannot \(verb) \(what): the transfer failed",
        remedy: "If this comes back, try another cable or another port.")
    }
  }
}
