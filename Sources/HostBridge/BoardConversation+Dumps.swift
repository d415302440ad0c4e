// The walk through the board's dumps: which one is offered, which is wanted, which comes next.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  func beginPass(now: Duration) {
    nextPoll = nil
    pass = DumpPass()
    stage = .forwarding
    askNext(after: DumpKey(bootCount: 0, sequence: 0), now: now)
  }

  func askNext(after key: DumpKey, now: Duration) {
    pass.next = .asking
    request(.next, now: now) { frame in Next(after: key).append(to: &frame) }
  }

  /// Consent is gone: nothing of any dump is asked for or kept any more.
  func dropPass(now: Duration) {
    partial = nil
    pass = DumpPass()
    requests.remove(.next)
    requests.remove(.receipt)
    requests.remove(.tally)
    counts = []
    // When consent comes back the counts are wanted again: the spool forgets them.
    countedBoot = nil
    switch stage {
    case .forwarding, .counting, .settling, .uploading: stage = .closing
    default: break
    }
  }

  func receiveNone(_ sequence: UInt8, now: Duration) {
    if requests.take(sequence, .tally) != nil {
      endCounts(now: now)
      return
    }
    guard requests.take(sequence, .next) != nil, pass.next == .asking else { return }
    hello?.dumpsWaiting = 0
    pass.next = .ended
    advancePass(now: now)
  }

  func receive(_ offer: Offer, _ sequence: UInt8, now: Duration) {
    guard requests.take(sequence, .next) != nil, pass.next == .asking else { return }
    let offered = Offered(
      identity: DumpIdentity(device: deviceID, key: offer.key), prologue: Array(offer.prologue),
      totalLength: Int(offer.totalLength))
    do throws(DumpFormatError) {
      let prologue = try DumpPrologue(decoding: offer.prologue)
      guard prologue.totalLength == offered.totalLength, prologue.header.key == offer.key else {
        throw .invalidField
      }
      pass.next = .judging(offered)
      actions.append(.offered(offered.identity, prologue, bytes: offered.prologue))
    } catch {
      warn("the board offers dump \(offer.key.text), whose prologue is wrong: \(error)")
      pass.next = .known(offered, .notNow)
      advancePass(now: now)
    }
  }

  /// The board cannot say what comes behind the dump at hand.
  func refuseNext(_ code: RefusalCode, now: Duration) {
    guard code != .noLease else {
      endPass(now: now)
      return
    }
    warn("the board cannot say which dumps wait: \(code)")
    pass.next = .ended
    advancePass(now: now)
  }

  /// What the bridge thinks of the dump it was shown with ``ConversationAction/offered(_:_:bytes:)``.
  public func judged(
    _ identity: DumpIdentity, _ judgement: OfferJudgement, now: Duration
  ) -> [ConversationAction] {
    guard case .judging(let offered) = pass.next, offered.identity == identity else { return [] }
    switch judgement {
    case .settled(let verdict):
      if partial?.identity == identity { partial = nil }
      pass.next = .known(offered, verdict)
    case .wanted:
      pass.next = .wanted(offered)
    }
    advancePass(now: now)
    return takeActions()
  }

  /// Does what the state of the lanes allows now.
  func advancePass(now: Duration) {
    guard stage == .forwarding else { return }
    switch pass.next {
    case .wanted(let offered) where pass.mayFetch:
      damagedArrivals = 0
      pass.next = .due(offered.identity.key)
      fetch(offered, now: now)
    case .known(let offered, let verdict) where pass.settling.count < DumpPass.mostSettling:
      pass.settling.append(.init(identity: offered.identity, state: .storing))
      if verdict == .stored { lastWhole = now }
      pass.next = .due(offered.identity.key)
      sendReceipt(verdict, for: offered.identity, now: now)
    case .due(let key) where pass.fetching == nil && !pass.isReceipting:
      askNext(after: key, now: now)
    case .ended where pass.fetching == nil:
      // Receipts may be out still: the counts do not wait for them.
      readCounts(now: now)
    case .ended, .due, .asking, .judging, .wanted, .known:
      break
    }
  }

  /// Nothing more is asked for, because the board's lease is over; what is stored is acknowledged.
  func endPass(now: Duration) {
    pass.next = .ended
    pass.fetching = nil
    requests.remove(.next)
    closePass(now: now)
  }
}
