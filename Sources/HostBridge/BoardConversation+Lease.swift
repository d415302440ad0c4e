// The lease of a visit: asked for each time, handed to the board when it says something new.

import ConsentLease
import DumpFormat
import LinkProtocol

/// What a lease says, its nonce and signature left out: what the board has to be told once.
struct LeaseContent: Equatable {
  let isAllowed: Bool
  let epoch: UInt32
  let dumpsPerFingerprint: UInt8
  let sealingKeyID: UInt32
  private let sealingKey: [UInt8]
  private let knownFingerprints: Set<UInt32>
  /// Seconds; not compared.
  let lifetime: UInt32

  /// - Returns: `nil` for bytes that this code cannot read. The bridge passes them on as they are.
  init?(_ bytes: [UInt8]) {
    let lease = bytes.withUnsafeBytes { raw -> Lease? in
      do throws(LeaseRefusal) { return try Lease(decoding: raw) } catch { return nil }
    }
    guard let lease else { return nil }
    isAllowed = lease.isAllowed
    epoch = lease.epoch
    dumpsPerFingerprint = lease.dumpsPerFingerprint
    sealingKeyID = lease.sealingKeyID
    sealingKey = lease.sealingKey.indices.map { lease.sealingKey[$0] }
    knownFingerprints = Set((0..<Int(lease.knownCount)).map { lease.known[$0] })
    lifetime = lease.lifetime
  }

  static func == (a: LeaseContent, b: LeaseContent) -> Bool {
    a.isAllowed == b.isAllowed && a.epoch == b.epoch
      && a.dumpsPerFingerprint == b.dumpsPerFingerprint && a.sealingKeyID == b.sealingKeyID
      && a.sealingKey == b.sealingKey && a.knownFingerprints == b.knownFingerprints
  }
}

extension BoardConversation {
  func askForLease() {
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

  /// The service issued a lease for the nonce of a ``LeaseWish``.
  ///
  /// A board verifies a signature and exchanges keys for each lease that it takes, some 20 million
  /// instructions: it gets one when it says something new, when less than half of the last is left, and
  /// once for each boot and connection. While a board has a valid one, that work keeps neither its dumps
  /// nor its application waiting: the next one is handed over when it has nothing else to do.
  ///
  /// - Parameter bytes: as the service gave them; at most 244.
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
    // Consent is gone: not one byte more, whatever the board still thinks.
    if !allowed { dropPass(now: now) }
    let content = LeaseContent(bytes)
    if let content, content.isAllowed == allowed, isInForce(content) {
      actions.append(.leaseKept(isAllowed: allowed))
      leaseSettled(isValid: allowed && boardMayForward, now: now)
      return takeActions()
    }
    if allowed, boardMayForward, stage != .resting {
      lane = .held(bytes)
    } else {
      sendLease(bytes, isAllowed: allowed, now: now)
    }
    return takeActions()
  }

  private func sendLease(_ bytes: [UInt8], isAllowed: Bool, now: Duration) {
    lane = .sent(allowed: isAllowed)
    offeredLease = LeaseContent(bytes)
    request(.lease, now: now) { frame in bytes.withUnsafeBytes { frame.append($0) } }
  }

  /// The board has nothing else to do.
  func sendHeldLease(now: Duration) {
    if case .held(let bytes) = lane { sendLease(bytes, isAllowed: true, now: now) }
  }

  /// Whether the board has been told, and says of itself that it has not lost it.
  private func isInForce(_ content: LeaseContent) -> Bool {
    guard content == heldLease, let hello else { return false }
    return content.isAllowed
      ? hello.leaseState == .allowed && hello.leaseSeconds >= content.lifetime / 2
      : hello.leaseState == .denied
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
    heldLease = nil
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
    if isInForce { heldLease = offeredLease }
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
}
