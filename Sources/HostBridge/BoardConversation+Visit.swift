// The course of a visit: hello, lease, dumps, counts, go.

import ConsentLease
import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Whether the board's own lease lets it forward dumps.
  var boardMayForward: Bool {
    guard let hello else { return false }
    return hello.leaseState == .allowed && hello.leaseSeconds > 0
  }

  func beginVisit(now: Duration) {
    guard let hello else { return }
    actions.append(.hello(hello))
    leaseMissed = false
    leasePatienceEnds = now + settings.leasePatience
    nextPoll = nil
    if hello.deviceID == DeviceID() {
      warn("the board has no identity, so no lease can be asked for it")
      lane = .idle
      finish(now: now)
      return
    }
    askForLease()
    if !boardMayForward {
      stage = .awaitingLease
    } else if hello.dumpsWaiting > 0 {
      beginPass(now: now)
    } else {
      readCounts(now: now)
    }
  }

  private func askForLease() {
    guard let hello else { return }
    let nonce = hello.nonce.array
    guard lane != .asked(nonce: nonce) else { return }
    requests.remove(.lease)
    lane = .asked(nonce: nonce)
    actions.append(
      .leaseWanted(
        LeaseWish(
          device: deviceID, nonce: nonce, buildID: hello.buildID.hexDigits,
          imageVersion: hello.imageVersionText, bootCount: hello.bootCount,
          uncapturedCrashes: hello.uncapturedCrashes)))
  }

  // MARK: - The lease

  /// The service issued a lease for the nonce of a ``LeaseWish``.
  ///
  /// - Parameter bytes: as the service gave them; at most 240.
  public func leaseIssued(
    _ bytes: [UInt8], nonce: [UInt8], allowed: Bool, now: Duration
  ) -> [ConversationAction] {
    guard lane == .asked(nonce: nonce) else { return [] }
    // The bridge passes a lease on, whatever is in it; but it has to fit in a frame.
    guard bytes.count <= FrameLimit.initial - FrameLimit.overhead else {
      warn("the service's lease of \(bytes.count) bytes does not fit in a frame")
      leaseSettled(isValid: false, now: now)
      return takeActions()
    }
    lane = .sent(allowed: allowed)
    // Consent is gone: not one byte more, whatever the board still thinks.
    if !allowed { dropPass(now: now) }
    request(.lease, now: now) { frame in bytes.withUnsafeBytes { frame.append($0) } }
    return takeActions()
  }

  /// The service has no answer, or does not know the device.
  public func leaseUnavailable(nonce: [UInt8], now: Duration) -> [ConversationAction] {
    guard lane == .asked(nonce: nonce) else { return [] }
    leaseMissed = true
    leaseSettled(isValid: false, now: now)
    return takeActions()
  }

  func receive(_ status: LeaseStatus, _ sequence: UInt8, now: Duration) {
    guard let request = requests.take(sequence, .lease), case .sent(let allowed) = lane else {
      return
    }
    // A repeated LEASE finds its own nonce used up; what it brought is in force all the same.
    let isRepetition = status.refusal == .otherNonce && request.attempts > 1
    let isInForce = status.state == (allowed ? .allowed : .denied)
    guard status.refusal == .accepted || (isRepetition && isInForce) else {
      actions.append(.leaseAnswered(status, isAllowed: allowed))
      // The board has a newer nonce than the one the lease was issued for.
      if status.refusal == .otherNonce, staleLeases < 3 {
        staleLeases += 1
        lane = .idle
        if stage == .awaitingLease || stage == .closing || stage == .resting {
          stage = .resting
          self.request(.who, now: now)
          return
        }
      }
      leaseMissed = true
      leaseSettled(isValid: boardMayForward && allowed, now: now)
      return
    }
    staleLeases = 0
    hello?.leaseState = status.state
    hello?.leaseSeconds = status.secondsLeft
    actions.append(
      .leaseAnswered(
        LeaseStatus(state: status.state, refusal: .accepted, secondsLeft: status.secondsLeft),
        isAllowed: allowed))
    // A board that accepts a denial and stays open gets nothing fetched by this bridge.
    leaseSettled(isValid: status.state == .allowed && allowed, now: now)
  }

  /// The lease lane has come to its end.
  func leaseSettled(isValid: Bool, now: Duration) {
    lane = .idle
    switch stage {
    case .awaitingLease, .resting:
      if isValid, hello.map({ $0.dumpsWaiting > 0 }) ?? false {
        beginPass(now: now)
      } else if isValid {
        readCounts(now: now)
      } else {
        awaitUpload(now: now)
      }
    case .closing:
      awaitUpload(now: now)
    default:
      break
    }
  }

  // MARK: - The end

  func checkStage(now: Duration) {
    switch stage {
    case .awaitingLease, .closing:
      // The lease still reaches the application when it comes.
      if now >= leasePatienceEnds { finish(now: now) }
    case .uploading:
      if now >= uploadPatienceEnds { finish(now: now) }
    default: break
    }
    if let due = nextPoll, now >= due {
      nextPoll = nil
      staleLeases = 0
      request(.who, now: now)
    }
  }

  /// All dumps are fetched; receipts, or the lease, may still be on their way.
  func closePass(now: Duration) {
    guard pass.settling.isEmpty else {
      stage = .settling
      return
    }
    switch lane {
    case .sent where now < leasePatienceEnds:
      stage = boardMayForward ? .closing : .awaitingLease
    case .asked where !boardMayForward && now < leasePatienceEnds:
      // Without a lease there was nothing to ask; with it there may be.
      stage = .awaitingLease
    case .idle, .asked, .sent:
      // A board with a lease does not wait for the network: a new one reaches the application.
      awaitUpload(now: now)
    }
  }

  /// Holds the boot agent until the service has what this visit brought, if that is wanted.
  private func awaitUpload(now: Duration) {
    guard phase == .agent, let patience = settings.waitForUpload, !pass.stored.isEmpty else {
      finish(now: now)
      return
    }
    uploadPatienceEnds = lastWhole + patience
    stage = .uploading
    actions.append(.uploadAwaited(pass.stored))
  }

  /// The dumps of a ``ConversationAction/uploadAwaited(_:)`` wait for the service no more.
  public func uploaded(_ dumps: [DumpIdentity], now: Duration) -> [ConversationAction] {
    guard stage == .uploading, pass.stored == dumps else { return [] }
    finish(now: now)
    return takeActions()
  }

  /// Lets the application start, if it does not run yet.
  func finish(now: Duration) {
    guard phase == .agent else {
      rest(now: now)
      return
    }
    stage = .leaving
    request(.go, now: now)
  }

  func rest(now: Duration) {
    stage = .resting
    nextPoll = now + (leaseMissed ? settings.leaseRetry : settings.pollInterval)
  }
}
