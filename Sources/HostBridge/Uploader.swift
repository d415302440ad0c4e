// Takes dumps and counts from the spool to the service, for as long as it takes.

import DequeModule
import Logging
import ServiceAPI

/// Offers what the spool holds, sends what is wanted, and tries again when it cannot.
///
/// Devices are served apart from one another: one whose uploads fail waits, the others go on.
public actor Uploader {
  /// Offers or counts in one request.
  static let batch = 256
  /// Dumps that are sent of one device before it is another's turn.
  static let turnLength = 8

  let spool: Spool
  let service: any ServiceClient
  private let clock: BridgeClock
  let log: Logger
  let events: BridgeEventSink
  private var generator: any RandomNumberGenerator & Sendable
  private nonisolated let doorbell = Doorbell()
  private var waits: [Errand: Wait] = [:]
  private var gate = ServiceGate()

  /// What is tried and put off by itself. Counts go on beside a dump that fails.
  struct Errand: Hashable {
    enum Kind { case dumps, counts }

    var device: String
    var kind: Kind
  }

  /// When an errand is tried again.
  private struct Wait {
    var backoff = Backoff(base: .milliseconds(500), cap: .seconds(60))
    var until: Duration = .zero
  }

  /// How one step with the service ended.
  enum Step {
    case done
    /// Leave the device alone for a while.
    case later(ServiceFailure)
    /// Nothing is wrong, but what is left is not wanted before that time is over.
    case pause(Duration)
  }

  /// - Parameters:
  ///   - generator: draws the jitter; give a seeded one for runs that can be repeated.
  public init(
    spool: Spool, service: any ServiceClient, clock: BridgeClock = .system,
    log: Logger = Logger(label: "uploader"), events: @escaping BridgeEventSink = { _ in },
    generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
  ) {
    self.spool = spool
    self.service = service
    self.clock = clock
    self.log = log
    self.events = events
    self.generator = generator
  }

  /// Says that there is something new in the spool.
  public nonisolated func wake() { doorbell.ring() }

  /// Works until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      let next = await pass()
      await doorbell.wait(until: next, on: clock)
    }
  }

  /// How long until something that failed is tried again; `nil` when nothing waits for that.
  var pause: Duration? {
    waits.values.map { max($0.until, gate.until) }.min().map { max(.zero, $0 - clock.now) }
  }

  /// Tries every device whose time has come, in turns. Returns when the next one's time comes, if one
  /// waits.
  func pass() async -> Duration? {
    do throws(HostBridgeError) {
      let errands =
        try await spool.devicesWaiting().map { Errand(device: $0, kind: .dumps) }
        + spool.devicesCounted().map { Errand(device: $0, kind: .counts) }
      waits = waits.filter { errands.contains($0.key) }
      let now = clock.now
      if gate.until <= now {
        try await takeTurns(errands.filter { (waits[$0]?.until ?? .zero) <= now })
      }
      // Nothing of what has left stays behind in the log.
      try await spool.sweep()
      // Those that were not tried because the service asked for quiet have no time of their own.
      return errands.compactMap { errand in
        waits[errand].map { max($0.until, gate.until) } ?? (gate.isShut ? gate.until : nil)
      }.min()
    } catch {
      return complain("\(error)")
    }
  }

  /// The spool itself fails: say so and look again after the longest wait.
  private func complain(_ words: String) -> Duration {
    log.error("\(words)")
    events(BridgeEvent(.warning).with { $0.text = words })
    return clock.now + .seconds(60)
  }

  /// One turn for each device after the other until nothing is left to do, a few at a time.
  private func takeTurns(_ errands: [Errand]) async throws(HostBridgeError) {
    var queue = errands
    let problem = await withTaskGroup(of: Result<Errand?, HostBridgeError>.self) { group in
      var running = 0
      var problem: HostBridgeError?
      while true {
        while problem == nil, !Task.isCancelled, running < gate.mostCalls, !queue.isEmpty,
          !gate.isShut(at: clock.now)
        {
          running += 1
          let errand = queue.removeFirst()
          group.addTask { await self.turn(errand) }
        }
        guard let ended = await group.next() else { return problem }
        running -= 1
        switch ended {
        case .success(let again?): queue.append(again)
        case .success(nil): break
        case .failure(let error): problem = error
        }
      }
    }
    if let problem { throw problem }
  }

  /// Does a part of an errand. Returns the errand when there is more to do at once.
  private func turn(_ errand: Errand) async -> Result<Errand?, HostBridgeError> {
    do throws(HostBridgeError) {
      let step: Step?
      switch errand.kind {
      case .dumps:
        let dumps = try await spool.waiting(of: errand.device, limit: Self.batch)
        step = dumps.isEmpty ? nil : try await offer(dumps, of: errand.device)
      case .counts:
        let counts = try await spool.countsWaiting(of: errand.device, limit: Self.batch)
        step = counts.isEmpty ? nil : try await send(counts, of: errand.device)
      }
      switch step {
      case nil:
        waits[errand] = nil
        return .success(nil)
      case .later(let failure):
        postpone(errand, failure)
        return .success(nil)
      case .pause(let delay):
        waits[errand] = Wait(until: clock.now + delay)
        gate.open()
        return .success(nil)
      case .done:
        waits[errand]?.backoff.reset()
        gate.open()
        return .success(errand)
      }
    } catch {
      return .failure(error)
    }
  }

  /// Offers a batch and sends what is wanted of it.
  private func offer(_ dumps: [SpooledDump], of device: String) async throws(HostBridgeError)
    -> Step
  {
    let offers = dumps.map {
      OfferRequest.Offer(
        bootCount: $0.identity.key.bootCount, sequence: $0.identity.key.sequence,
        fingerprint: $0.fingerprint, size: $0.size, occurrences: $0.occurrences,
        consentEpoch: $0.consentEpoch, buildId: $0.buildID)
    }
    let answer: OfferAnswer
    do throws(ServiceFailure) {
      answer = try await service.offer(device: device, OfferRequest(offers: offers))
    } catch {
      return .later(error)
    }
    let verdicts = answer.verdicts
    guard verdicts.count == dumps.count else {
      return .later(
        ServiceFailure(
          status: nil, code: ServiceFailure.notUnderstood,
          message: "the service judged \(verdicts.count) dumps of \(dumps.count) offered"))
    }
    var sent = 0
    for (dump, verdict) in zip(dumps, verdicts) {
      if Task.isCancelled { return .done }
      if verdict == .send {
        if sent == Self.turnLength { break }
        sent += 1
      }
      if case .later(let failure) = try await act(on: dump, verdict) { return .later(failure) }
    }
    // Others send dumps of the same kinds now: whether these are wanted is known when they have.
    if verdicts.allSatisfy({ $0 == .later }) {
      return .pause(.seconds(min(max(answer.retryAfterSeconds ?? 30, 1), 600)))
    }
    return .done
  }

  private func act(
    on dump: SpooledDump, _ verdict: OfferAnswer.Verdict
  ) async throws(HostBridgeError) -> Step {
    switch verdict {
    case .send:
      return try await send(dump)
    case .stored:
      try await spool.settle(dump.identity, as: .uploaded)
      tell(.dumpUploaded, dump) { $0.reason = "the service has it since before" }
    case .skip:
      try await spool.settle(dump.identity, as: .skipped)
      tell(.dumpRefused, dump) {
        $0.cause = .enough
        $0.reason = "the service has enough of its kind"
      }
    case .refused:
      try await purge(dump, "the service has no consent for it")
    case .later:
      break
    }
    return .done
  }

  private func send(_ dump: SpooledDump) async throws(HostBridgeError) -> Step {
    // Gone when the device's consent was revoked since the list was made.
    guard let bytes = try await spool.bytes(of: dump.identity) else { return .done }
    let receipt: DumpReceipt
    do throws(ServiceFailure) {
      receipt = try await service.upload(dump.identity, bytes: bytes)
    } catch {
      return try await settle(dump, after: error)
    }
    try await spool.settle(dump.identity, as: .uploaded, note: receipt.id)
    log.info("uploaded \(dump.identity) as \(receipt.id)")
    tell(.dumpUploaded, dump) { $0.dumpId = receipt.id }
    return .done
  }

  /// Decides by the service's answer whether a dump goes, stays or is set aside.
  private func settle(
    _ dump: SpooledDump, after failure: ServiceFailure
  ) async throws(HostBridgeError) -> Step {
    switch failure.status {
    case 403 where failure.isConsentRefusal:
      try await purge(dump, failure.message)
      return .done
    case 409, 413, 422:
      // The same bytes would be answered the same way for ever.
      try await spool.settle(dump.identity, as: .rejected, note: "\(failure)")
      log.error("the service will not take \(dump.identity), which is kept aside: \(failure)")
      tell(.dumpRefused, dump) {
        $0.cause = .rejected
        $0.reason = "\(failure)"
      }
      return .done
    default:
      if Task.isCancelled { return .done }
      try await spool.noteFailure(of: dump.identity)
      return .later(failure)
    }
  }

  private func purge(_ dump: SpooledDump, _ reason: String) async throws(HostBridgeError) {
    try await spool.settle(dump.identity, as: .purged)
    log.warning("purged \(dump.identity): \(reason)")
    tell(.dumpPurged, dump) {
      $0.count = 1
      $0.reason = reason
    }
  }

  private func postpone(_ errand: Errand, _ failure: ServiceFailure) {
    if Task.isCancelled { return }
    let device = errand.device
    var wait = waits[errand] ?? Wait()
    var delay = wait.backoff.next(using: &generator)
    if let least = failure.retryAfter { delay = max(delay, least) }
    wait.until = clock.now + delay
    waits[errand] = wait
    gate.failed(failure, device: device, now: clock.now, using: &generator)
    // Both fail for the same reason as a rule: once is enough to say.
    if errand.kind == .counts, waits[Errand(device: device, kind: .dumps)] != nil { return }
    let words =
      failure.status == 404 && failure.code != "RouteNotFound"
      ? "the service does not know device \(device): claim it with: martlet device claim"
        + " --device \(device)"
      : "cannot upload from \(device.prefix(12)): \(failure)"
    log.warning("\(words); next attempt in \(delay)")
    events(BridgeEvent(.warning, device: device).with { $0.text = words })
  }

  private func tell(
    _ name: BridgeEvent.Name, _ dump: SpooledDump, _ change: (inout BridgeEvent) -> Void
  ) {
    var event = BridgeEvent(name, device: dump.identity.device)
    event.dump = dump.identity.key.text
    event.fingerprint = dump.fingerprint
    event.size = dump.size
    change(&event)
    events(event)
  }
}
