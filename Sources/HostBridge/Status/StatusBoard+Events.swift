// What each event changes in the bridge's account of itself.

import Foundation

extension StatusBoard.State {
  /// - Parameter now: on the clock that counts leases down.
  mutating func take(_ event: BridgeEvent, now: Duration) {
    if event.event == .warning, let text = event.text {
      warnings.note(
        text, board: event.board, at: event.time, keeping: StatusBoard.mostWarnings)
    }
    guard let address = event.board ?? board(of: event.device) else { return }
    if boards[address] == nil { makeRoom() }
    boards[address, default: .init(address: address, now: event.time)].take(event, now: now)
  }

  /// The board that said it is this device, for what happens to its dumps later.
  private func board(of device: String?) -> String? {
    guard let device else { return nil }
    return boards.first { $0.value.shown.device == device }?.key
  }

  private mutating func makeRoom() {
    guard boards.count >= StatusBoard.mostBoards else { return }
    let away = boards.values.filter { !$0.shown.isConnected }.min {
      $0.shown.since < $1.shown.since
    }
    if let away { boards[away.shown.address] = nil }
  }
}

extension StatusBoard.BoardRecord {
  mutating func take(_ event: BridgeEvent, now: Duration) {
    switch event.event {
    case .boardConnected:
      shown.isConnected = true
      shown.since = event.time
      shown.problem = nil
    case .boardDisconnected:
      shown.isConnected = false
      shown.since = event.time
      shown.problem = event.reason
    case .boardUnavailable:
      shown.problem = event.reason.map { String($0.prefix(StatusBoard.longestText)) }
    case .boardHello: takeHello(event, now: now)
    case .boardStarting: shown.phase = "application"
    case .leaseGranted, .leaseDenied, .leaseKept, .leaseFailed: takeLease(event, now: now)
    case .dumpOffered: note(event, "offered")
    case .dumpSpooled:
      note(event, "spooled")
      shown.dumpsWaiting = shown.dumpsWaiting.map { max(0, $0 - 1) }
    case .dumpUploaded: note(event, "uploaded")
    case .dumpRefused:
      note(event, "refused")
      complain(event.reason, event)
    case .dumpPurged: note(event, "purged")
    case .dumpEvicted: note(event, "evicted")
    case .dumpExpired: note(event, "expired")
    case .console: shown.consoleLines += event.consoleLines
    case .warning: complain(event.text, event)
    case .crashCounted, .countsUploaded, .countsRefused: break
    }
  }

  private mutating func takeHello(_ event: BridgeEvent, now: Duration) {
    if shown.device != event.device {
      shown.lastDump = nil
      shown.lease = nil
    }
    shown.device = event.device
    shown.imageVersion = event.imageVersion
    shown.buildId = event.buildId
    shown.bootCount = event.bootCount
    shown.resetCause = event.resetCause
    shown.phase = event.phase
    shown.lastHello = event.time
    shown.dumpsWaiting = event.dumpsWaiting
    shown.uncapturedCrashes = event.uncapturedCrashes
    if let state = event.leaseState { setLease(state, event.leaseSeconds, now: now) }
  }

  private mutating func takeLease(_ event: BridgeEvent, now: Duration) {
    if let state = event.leaseState { setLease(state, event.leaseSeconds, now: now) }
    let reason = event.reason.map { String($0.prefix(StatusBoard.longestText)) }
    if event.event == .leaseFailed {
      shown.lease = shown.lease ?? .init(state: "none")
      shown.lease?.problem = reason
      shown.lease?.cause = event.leaseProblem
      complain(reason, event)
    } else {
      shown.lease?.problem = nil
      shown.lease?.cause = nil
    }
  }

  private mutating func setLease(_ state: String, _ seconds: UInt32?, now: Duration) {
    shown.lease = .init(
      state: state, problem: shown.lease?.problem, cause: shown.lease?.cause)
    leaseSeconds = state == "allowed" ? seconds : nil
    leaseToldAt = now
  }

  private mutating func note(_ event: BridgeEvent, _ standing: String) {
    // Some events are about several dumps and name none.
    guard let dump = event.dump else { return }
    let last = shown.lastDump?.dump == dump ? shown.lastDump : nil
    shown.lastDump = .init(
      dump: dump, time: event.time, standing: standing, kind: event.kind ?? last?.kind,
      size: event.size ?? last?.size)
  }

  private mutating func complain(_ text: String?, _ event: BridgeEvent) {
    guard let text else { return }
    shown.errors.note(text, board: nil, at: event.time, keeping: StatusBoard.mostErrors)
  }
}

extension [BridgeStatus.Note] {
  /// Puts words in front; those that are here already are counted instead of kept twice.
  mutating func note(_ text: String, board: String?, at time: Date, keeping most: Int) {
    let text = String(text.prefix(StatusBoard.longestText))
    var count = 1
    if let index = firstIndex(where: { $0.text == text && $0.board == board }) {
      count += remove(at: index).count
    }
    insert(.init(time: time, text: text, board: board, count: count), at: 0)
    if self.count > most { removeLast(self.count - most) }
  }
}
