// One dump's bytes: asked for by range, filled in as they come, asked for again where they do not.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Times a dump is fetched anew when its checksum is wrong.
  static let mostArrivals = 3
  /// The line's time that a range may take once the line has lost a window.
  private static let rangeTime: Duration = .milliseconds(500)

  func fetch(_ offered: Offered, now: Duration) {
    if partial?.identity != offered.identity || partial?.prologue != offered.prologue {
      partial = PartialDump(
        identity: offered.identity, prologue: offered.prologue, totalLength: offered.totalLength)
    }
    pass.fetching = offered
    fetchSequences = []
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
      let sequence = requests.nextSequence()
      fetchSequences.insert(sequence)
      let frame = hostFrame(.fetch, sequence: sequence) { frame in
        Fetch(
          key: offered.identity.key, transfer: transfer, offset: UInt32(range.lowerBound),
          length: UInt32(range.count)
        ).append(to: &frame)
      }
      send(frame, now: now)
    }
  }

  func receive(_ run: DataRun, now: Duration) {
    guard let offered = pass.fetching, window.owns(transfer: run.transfer), !run.bytes.isEmpty
    else { return }
    let offset = Int(run.offset)
    let isNew = partial?.fill(run.bytes, at: offset) ?? false
    let isLate = run.transfer != window.transfer
    fetchTimer.answered(now: now, bytes: run.bytes.count, isNew: isNew, isLate: isLate)
    // A late answer says nothing about the order of what is asked for now.
    if !isLate { window.answered(offset..<offset + run.bytes.count) }
    noteWhole(now: now)
    if case .due(let key) = pass.next { askNext(after: key, now: now) }
    continueFetch(offered, now: now)
  }

  func checkFetch(now: Duration) {
    guard let offered = pass.fetching, fetchTimer.isOver(now: now) else { return }
    guard now - fetchTimer.lastProgress < FetchTimer.patience else {
      warn("the board stopped sending dump \(offered.identity.key.text)")
      search(now: now)
      return
    }
    // What is still open is lost, request or answer: ask for exactly the holes again.
    window.restart(longestRange: fetchTimer.bytes(in: Self.rangeTime) ?? FetchWindow.mostOpen)
    fetchTimer.struck(now: now)
    lineCounts.repeats += 1
    continueFetch(offered, now: now)
  }

  func refuseFetch(_ code: RefusalCode, _ sequence: UInt8, now: Duration) {
    // A late refusal of what was asked of the dump before says nothing about this one.
    guard let offered = pass.fetching, fetchSequences.contains(sequence) else { return }
    switch code {
    case .noLease:
      endPass(now: now)
    case .noSuchDump:
      partial = nil
      pass.fetching = nil
      advancePass(now: now)
    case .outOfRange, .malformed, .unknownType, .flashFailed, .otherService:
      warn("the board cannot send dump \(offered.identity.key.text): \(code)")
      giveUp(offered, now: now)
    }
  }

  private func complete(_ offered: Offered, _ dump: PartialDump, now: Duration) {
    partial = nil
    do throws(DumpFormatError) {
      let prologue = try verified(dump.bytes)
      pass.fetching = nil
      pass.settling.append(.init(identity: offered.identity, state: .storing))
      lastWhole = now
      actions.append(.complete(offered.identity, prologue, bytes: dump.bytes))
      advancePass(now: now)
    } catch {
      damagedArrivals += 1
      guard damagedArrivals < Self.mostArrivals else {
        warn(
          "dump \(offered.identity.key.text) arrived \(damagedArrivals) times and was damaged each "
            + "time: \(error)")
        giveUp(offered, now: now)
        return
      }
      fetch(offered, now: now)
    }
  }

  /// Leaves the dump on the board.
  private func giveUp(_ offered: Offered, now: Duration) {
    partial = nil
    pass.fetching = nil
    pass.settling.append(.init(identity: offered.identity, state: .storing))
    sendReceipt(.notNow, for: offered.identity, now: now)
    advancePass(now: now)
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
