// Answers of the board, one by one.

import ConsentLease
import DumpFormat
import LinkProtocol

extension BoardConversation {
  func receive(_ frame: Frame, now: Duration) {
    noteTrip(frame.sequence, now: now)
    do throws(LinkError) {
      switch FrameType(rawValue: frame.type) {
      case .hello: receive(try Hello(decoding: frame.payload), frame.sequence, now: now)
      case .offer: receive(try Offer(decoding: frame.payload), frame.sequence, now: now)
      case .none?: receiveNone(frame.sequence, now: now)
      case .data: receive(try DataRun(decoding: frame.payload), now: now)
      case .leaseStatus: receive(try LeaseStatus(decoding: frame.payload), frame.sequence, now: now)
      case .done: receive(try Done(decoding: frame.payload), frame.sequence, now: now)
      case .starting: receive(try Starting(decoding: frame.payload), frame.sequence, now: now)
      case .count: receiveCount(frame, now: now)
      case .refused: receive(try Refused(decoding: frame.payload), frame.sequence, now: now)
      // Our own frames, echoed by a console that echoes; or a newer board's.
      case .who, .welcome, .lease, .next, .fetch, .receipt, .go, .tally, .provision, nil: break
      // The answer to another host's question.
      case .identity: break
      }
    } catch {
      warn("the board sent a frame of type \(frame.type) that cannot be read: \(error)")
    }
  }

  private func receive(_ new: Hello, _ sequence: UInt8, now: Duration) {
    let answersWelcome = requests.take(sequence, .welcome) != nil
    let answersWho = requests.take(sequence, .who) != nil
    let isSameBoot =
      hello.map { $0.bootCount == new.bootCount && $0.deviceID == new.deviceID } ?? false
    let hasRestarted = !isSameBoot || (new.phase == .agent && phase == .application)

    switch stage {
    case .disconnected:
      return
    case .welcoming where answersWelcome:
      adopt(new)
      beginVisit(now: now)
    case .resting where answersWho && !hasRestarted:
      adopt(new)
      beginVisit(now: now)
    case .searching:
      adopt(new)
      welcome(now: now)
    default:
      guard hasRestarted else {
        // A late or doubled HELLO, or the answer to a keep-alive.
        adopt(new)
        return
      }
      lane = .idle
      adopt(new)
      welcome(now: now)
    }
  }

  private func adopt(_ new: Hello) {
    if hello?.deviceID != new.deviceID || hello?.bootCount != new.bootCount { heldLease = nil }
    if hello?.deviceID != new.deviceID {
      // A bridge that just began, a line that was away, or another board on it.
      if deviceID != new.deviceID.text { countedBoot = nil }
      deviceID = new.deviceID.text
    }
    if hello?.bootCount != new.bootCount || new.phase == .agent { hasToldStart = false }
    hello = new
    phase = new.phase
  }

  private func welcome(now: Duration) {
    guard let hello else { return }
    nextPoll = nil
    staleLeases = 0
    leaseMissed = false
    requests.removeAll()
    pass = DumpPass()
    guard hello.lowestVersion...hello.highestVersion ~= linkProtocolVersion else {
      warn(
        "the board speaks versions \(hello.lowestVersion) to \(hello.highestVersion) of the link "
          + "protocol, this bridge version \(linkProtocolVersion)")
      rest(now: now)
      return
    }
    stage = .welcoming
    agree(now: now)
  }

  /// Says how large frames may be; also in the middle of a transfer, from which on they are.
  private func agree(now: Duration) {
    guard let hello else { return }
    agreedFrame = min(Int(hello.largestFrame), sizer.size)
    request(.welcome, now: now) { [sizer] frame in
      Welcome(version: linkProtocolVersion, largestFrame: UInt16(sizer.size)).append(to: &frame)
    }
  }

  /// DATA arrived as it was sent.
  func noteWhole(now: Duration) {
    if sizer.noteWhole() { agree(now: now) }
  }

  /// A frame arrived damaged. What it was is asked for again when it is missed.
  func noteDamage(now: Duration) {
    guard pass.fetching != nil, sizer.noteDamaged(agreed: agreedFrame) else { return }
    agree(now: now)
  }

  private func receive(_ starting: Starting, _ sequence: UInt8, now: Duration) {
    let answersGo = requests.take(sequence, .go) != nil
    phase = .application
    if !hasToldStart {
      hasToldStart = true
      actions.append(.starting(starting.reason))
    }
    switch stage {
    case .leaving where answersGo || !requests.contains(.go): rest(now: now)
    case .closing, .uploading: rest(now: now)
    default: break
    }
  }

  private func receive(_ refused: Refused, _ sequence: UInt8, now: Duration) {
    if refused.request == FrameType.fetch.rawValue {
      refuseFetch(refused.code, sequence, now: now)
      return
    }
    guard let type = FrameType(rawValue: refused.request),
      let request = requests.take(sequence, type)
    else { return }
    switch (type, refused.code) {
    case (.next, let code):
      refuseNext(code, now: now)
    case (.tally, let code):
      refuseCount(code, now: now)
    case (.receipt, let code):
      refuseReceipt(request.key, code, now: now)
    case (.lease, let code):
      warn("the board did not take a lease: \(code)")
      leaseSettled(isValid: false, now: now)
    case (_, let code):
      warn("the board refused \(type): \(code)")
      rest(now: now)
    }
  }
}
