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
      actions.append(.notProvisioned)
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
    case .idle, .asked, .held, .sent:
      // A board with a lease does not wait for the network: a new one reaches the application.
      awaitUpload(now: now)
    }
  }

  /// Holds the boot agent until the service has what this visit brought, if that is wanted.
  func awaitUpload(now: Duration) {
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
    sendHeldLease(now: now)
  }
}
