// What the bridge knows of itself at any moment, gathered from what happens.

import Foundation
import Synchronization

/// Takes every event and every answer of the service, and keeps what the status shows of them.
///
/// Its memory is bounded by the number of boards, however long the bridge runs: of everything that
/// repeats only the latest is kept.
public final class StatusBoard: Sendable {
  /// Boards that are known at once; beyond it, those that are away the longest are forgotten.
  static let mostBoards = 256
  static let mostWarnings = 20
  static let mostErrors = 5
  /// Longest text that is kept, characters: boards and services choose what they say.
  static let longestText = 500

  /// What is kept of a board beside what is shown.
  struct BoardRecord {
    var shown: BridgeStatus.Board
    var leaseSeconds: UInt32?
    /// When the seconds were told.
    var leaseToldAt = Duration.zero
  }

  struct State {
    var boards: [String: BoardRecord] = [:]
    var service: ServiceReport
    var warnings: [BridgeStatus.Note] = []
  }

  let clock: BridgeClock
  let state: Mutex<State>
  private let date: @Sendable () -> Date
  private let started: Date
  private let startedAt: Duration

  /// - Parameters:
  ///   - service: its address.
  ///   - boards: addresses that the bridge was given; they are shown before anything comes of them.
  ///   - clock: counts leases down. It has to go on while the machine sleeps, as boards do.
  ///   - date: the time of day, for people.
  public init(
    service: String, boards: [String], clock: BridgeClock = BridgeClock(ContinuousClock()),
    date: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.clock = clock
    self.date = date
    started = date()
    startedAt = clock.now
    var state = State(
      service: ServiceReport(address: service, condition: .unknown, since: started, failures: 0))
    for board in boards { state.boards[board] = BoardRecord(address: board, now: started) }
    self.state = Mutex(state)
  }

  /// Takes an event. Callable from any task.
  public func take(_ event: BridgeEvent) {
    let now = clock.now
    state.withLock { $0.take(event, now: now) }
  }

  /// Takes the end of a call to the service: what went wrong, or `nil`.
  public func serviceAnswered(_ failure: ServiceFailure?) {
    let time = date()
    state.withLock { $0.service.take(failure, time: time) }
  }

  /// The account of this moment, without what only others know: spool, transfers, console log.
  public func status() -> BridgeStatus {
    let now = clock.now
    let (boards, service, warnings) = state.withLock { ($0.boards, $0.service, $0.warnings) }
    return BridgeStatus(
      time: date(),
      bridge: .init(
        version: BridgeVersion.current, pid: ProcessInfo.processInfo.processIdentifier,
        started: started, uptimeSeconds: (now - startedAt) / .seconds(1)),
      service: service,
      boards: boards.values.map { $0.status(now: now) }.sorted { $0.address < $1.address },
      warnings: warnings, attention: [])
  }
}

extension StatusBoard.BoardRecord {
  init(address: String, now: Date) {
    shown = BridgeStatus.Board(
      address: address, isConnected: false, since: now, consoleLines: 0, errors: [])
  }

  /// What is shown, its lease counted down to `now`.
  func status(now: Duration) -> BridgeStatus.Board {
    var board = shown
    guard let leaseSeconds, board.lease?.state == "allowed" else { return board }
    let left = Double(leaseSeconds) - (now - leaseToldAt) / .seconds(1)
    board.lease?.secondsLeft = max(0, left)
    if left <= 0 { board.lease?.state = "expired" }
    return board
  }
}

extension ServiceReport {
  /// Takes the end of a call.
  mutating func take(_ failure: ServiceFailure?, time: Date) {
    let new = failure?.condition ?? .ok
    if new != condition {
      condition = new
      since = time
    }
    guard let failure, new != .ok else {
      lastSuccess = time
      failures = 0
      return
    }
    failures += 1
    lastFailure = Failure(
      time: time, condition: new, status: failure.status,
      message: String(failure.message.prefix(StatusBoard.longestText)))
  }
}
