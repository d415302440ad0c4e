// Dumps, one after the other: asked for, fetched, handed over, acknowledged.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Times a dump is fetched anew when its checksum is wrong.
  static let mostArrivals = 3
  /// Times a receipt is sent anew when the board could not write it down.
  static let mostReceipts = 3

  func beginPass(now: Duration) {
    nextPoll = nil
    askNext(after: DumpKey(bootCount: 0, sequence: 0), now: now)
  }

  func askNext(after key: DumpKey, now: Duration) {
    stage = .asking
    request(.next, now: now) { frame in Next(after: key).append(to: &frame) }
  }

  /// Consent is gone: nothing of any dump is asked for or kept any more.
  func dropPass(now: Duration) {
    partial = nil
    requests.remove(.next)
    requests.remove(.receipt)
    requests.remove(.tally)
    counts = []
    // When consent comes back the counts are wanted again: the spool forgets them.
    countedBoot = nil
    switch stage {
    case .asking, .judging, .fetching, .storing, .receipting, .counting: stage = .closing
    default: break
    }
  }

  func receiveNone(_ sequence: UInt8, now: Duration) {
    if requests.take(sequence, .tally) != nil {
      endCounts(now: now)
      return
    }
    guard requests.take(sequence, .next) != nil, stage == .asking else { return }
    hello?.dumpsWaiting = 0
    readCounts(now: now)
  }

  func receive(_ offer: Offer, _ sequence: UInt8, now: Duration) {
    guard requests.take(sequence, .next) != nil, stage == .asking else { return }
    let offered = Offered(
      identity: DumpIdentity(device: deviceID, key: offer.key), prologue: Array(offer.prologue),
      totalLength: Int(offer.totalLength))
    do throws(DumpFormatError) {
      let prologue = try DumpPrologue(decoding: offer.prologue)
      guard prologue.totalLength == offered.totalLength, prologue.header.key == offer.key else {
        throw .invalidField
      }
      stage = .judging(offered)
      actions.append(.offered(offered.identity, prologue, bytes: offered.prologue))
    } catch {
      warn("the board offers dump \(offer.key.text), whose prologue is wrong: \(error)")
      sendReceipt(.notNow, for: offered, now: now)
    }
  }

  /// What the bridge thinks of the dump it was shown with ``ConversationAction/offered(_:_:bytes:)``.
  public func judged(
    _ identity: DumpIdentity, _ judgement: OfferJudgement, now: Duration
  ) -> [ConversationAction] {
    guard case .judging(let offered) = stage, offered.identity == identity else { return [] }
    switch judgement {
    case .settled(let verdict):
      if partial?.identity == identity { partial = nil }
      sendReceipt(verdict, for: offered, now: now)
    case .wanted:
      damagedArrivals = 0
      fetch(offered, now: now)
    }
    return takeActions()
  }

  // MARK: - Fetching

  private func fetch(_ offered: Offered, now: Duration) {
    if partial?.identity != offered.identity || partial?.prologue != offered.prologue {
      partial = PartialDump(
        identity: offered.identity, prologue: offered.prologue, totalLength: offered.totalLength)
    }
    stage = .fetching(offered)
    window = FetchWindow(transfer: window.transfer &+ 1, largestFrame: agreedFrame)
    fetchTimer.start(now: now)
    continueFetch(offered, now: now)
  }

  private func continueFetch(_ offered: Offered, now: Duration) {
    guard let partial else { return }
    guard !partial.isComplete else {
      complete(offered, partial, now: now)
      return
    }
    for range in window.refill(missing: partial.missing) {
      let transfer = window.transfer
      let frame = hostFrame(.fetch, sequence: requests.nextSequence()) { frame in
        Fetch(
          key: offered.identity.key, transfer: transfer, offset: UInt32(range.lowerBound),
          length: UInt32(range.count)
        ).append(to: &frame)
      }
      send(frame, now: now)
    }
  }

  func receive(_ run: DataRun, now: Duration) {
    guard case .fetching(let offered) = stage, window.owns(transfer: run.transfer),
      !run.bytes.isEmpty
    else { return }
    let offset = Int(run.offset)
    let isNew = partial?.fill(run.bytes, at: offset) ?? false
    fetchTimer.answered(now: now, isNew: isNew)
    // A late answer says nothing about the order of what is asked for now.
    if run.transfer == window.transfer { window.answered(offset..<offset + run.bytes.count) }
    continueFetch(offered, now: now)
  }

  func checkFetch(now: Duration) {
    guard case .fetching(let offered) = stage, now >= fetchTimer.deadline else { return }
    guard now - fetchTimer.lastProgress < FetchTimer.patience else {
      warn("the board stopped sending dump \(offered.identity.key.text)")
      search(now: now)
      return
    }
    // What is still open is lost, request or answer: ask for exactly the holes again.
    window.restart()
    fetchTimer.struck(now: now)
    continueFetch(offered, now: now)
  }

  func refuseFetch(_ code: RefusalCode, _ sequence: UInt8, now: Duration) {
    guard case .fetching(let offered) = stage else { return }
    switch code {
    case .noLease:
      closePass(now: now)
    case .noSuchDump:
      partial = nil
      askNext(after: offered.identity.key, now: now)
    case .outOfRange, .malformed, .unknownType, .flashFailed:
      warn("the board cannot send dump \(offered.identity.key.text): \(code)")
      partial = nil
      sendReceipt(.notNow, for: offered, now: now)
    }
  }

  private func complete(_ offered: Offered, _ dump: PartialDump, now: Duration) {
    do throws(DumpFormatError) {
      let bytes = dump.bytes
      let prologue = try verified(bytes)
      stage = .storing(offered)
      partial = nil
      actions.append(.complete(offered.identity, prologue, bytes: bytes))
    } catch {
      partial = nil
      damagedArrivals += 1
      guard damagedArrivals < Self.mostArrivals else {
        warn(
          "dump \(offered.identity.key.text) arrived \(damagedArrivals) times and was damaged each "
            + "time: \(error)")
        sendReceipt(.notNow, for: offered, now: now)
        return
      }
      fetch(offered, now: now)
    }
  }

  // MARK: - Receipts

  /// How the dump of ``ConversationAction/complete(_:_:bytes:)`` was dealt with.
  public func settled(
    _ identity: DumpIdentity, _ verdict: ReceiptVerdict, now: Duration
  ) -> [ConversationAction] {
    guard case .storing(let offered) = stage, offered.identity == identity else { return [] }
    sendReceipt(verdict, for: offered, now: now)
    return takeActions()
  }

  private func sendReceipt(_ verdict: ReceiptVerdict, for offered: Offered, now: Duration) {
    failedReceipts = 0
    receiptVerdict = verdict
    repeatReceipt(for: offered, now: now)
  }

  private func repeatReceipt(for offered: Offered, now: Duration) {
    stage = .receipting(offered)
    let verdict = receiptVerdict
    request(.receipt, now: now) { frame in
      Receipt(key: offered.identity.key, verdict: verdict).append(to: &frame)
    }
  }

  func receive(_ done: Done, _ sequence: UInt8, now: Duration) {
    guard requests.take(sequence, .receipt) != nil, case .receipting(let offered) = stage else {
      return
    }
    if done.status == .flashFailed {
      failedReceipts += 1
      if failedReceipts < Self.mostReceipts {
        repeatReceipt(for: offered, now: now)
        return
      }
      warn("the board cannot write down what became of dump \(offered.identity.key.text)")
    }
    askNext(after: offered.identity.key, now: now)
  }
}

/// Checks a whole dump.
private func verified(_ bytes: [UInt8]) throws(DumpFormatError) -> DumpPrologue {
  // `withUnsafeBytes` does not carry typed errors.
  let result: Result<DumpPrologue, DumpFormatError> = bytes.withUnsafeBytes { raw in
    do throws(DumpFormatError) {
      return .success(try DumpPrologue(verifyingDump: raw))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}
