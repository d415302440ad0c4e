// The whole account: what the status board gathered, and what only others know.

import Foundation

/// Puts the status together when somebody asks.
public struct StatusReporter: Sendable {
  private let board: StatusBoard
  private let spool: Spool
  private let sessions: [BoardSession]
  private let uploader: Uploader
  private let consoleLog: ConsoleLog?

  public init(
    board: StatusBoard, spool: Spool, sessions: [BoardSession], uploader: Uploader,
    consoleLog: ConsoleLog? = nil
  ) {
    self.board = board
    self.spool = spool
    self.sessions = sessions
    self.uploader = uploader
    self.consoleLog = consoleLog
  }

  /// The account of this moment.
  public func status() async -> BridgeStatus {
    var transfers: [String: BridgeStatus.Transfer] = [:]
    for session in sessions { transfers["\(session.address)"] = await session.transfer }
    let pause = await uploader.pause
    let report = try? await spool.report()
    var status = board.status()
    status.spool = report
    if report == nil { status.spoolCondition = spool.condition }
    status.consoleLog = consoleLog?.report
    status.service.nextAttempt = pause.map { status.time.addingTimeInterval($0 / .seconds(1)) }
    for index in status.boards.indices {
      let address = status.boards[index].address
      status.boards[index].transfer = transfers[address]
      status.boards[index].consoleLog = consoleLog?.path(of: address)
    }
    status.attention = status.attentionNeeded()
    return status
  }

  /// What each board's line has carried, by address.
  func lineCounts() async -> [String: LineCounts] {
    var counts: [String: LineCounts] = [:]
    for session in sessions { counts["\(session.address)"] = await session.lineCounts }
    return counts
  }
}
