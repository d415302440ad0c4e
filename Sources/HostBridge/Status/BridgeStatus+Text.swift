// The status as people read it: a few lines, a table of boards, and what to do.

import Foundation

extension BridgeStatus {
  /// Lines of text. Words of boards and of the service are made harmless for a terminal.
  public var text: String {
    var lines = [bridgeLine, serviceLine, spoolLine]
    if let consoleLog { lines.append(Self.line(for: consoleLog)) }
    lines.append("")
    lines += boardTable
    let transfers = boards.compactMap { board in board.transfer.map { (board.address, $0) } }
    for (address, transfer) in transfers {
      lines.append(
        "receiving dump \(transfer.dump) from \(address): \(Words.bytes(transfer.bytes)) of "
          + Words.bytes(transfer.totalBytes))
    }
    if !recentErrors.isEmpty {
      lines += ["", "Last errors:"]
      lines += recentErrors.map(Self.line(for:))
    }
    lines += [""] + attentionLines
    return lines.map { TerminalText.field($0) }.joined(separator: "\n") + "\n"
  }

  /// One short line, for a service manager.
  public var summary: String {
    let connected = boards.count(where: \.isConnected)
    let service =
      switch service.condition {
      case .unknown: "the service was not asked yet"
      case .ok: "the service answers"
      default: "the service does not serve"
      }
    return "\(connected) of \(Words.count(boards.count, "board")) connected, \(service)"
  }

  // MARK: - Lines

  private var bridgeLine: String {
    "bridge   \(bridge.version), pid \(bridge.pid), up for \(Words.duration(bridge.uptimeSeconds))"
  }

  private var serviceLine: String {
    let words: String =
      switch service.condition {
      case .unknown: "not asked yet"
      case .ok: "answers"
      case .unreachable: "DOES NOT ANSWER"
      case .untrusted: "IS NOT TRUSTED"
      case .busy: "BUSY"
      case .failing: "FAILS"
      case .notUnderstood: "IS NO MARTLET SERVICE"
      case .refusing: "REFUSES"
      }
    var line = "service  \(service.address) \(words)"
    if let success = service.lastSuccess {
      line += ", last answer \(Words.age(since: success, time)) ago"
    }
    if service.condition != .ok, let next = service.nextAttempt {
      line += ", next attempt in \(Words.age(since: time, next))"
    }
    return line
  }

  private var spoolLine: String {
    guard let spool else { return "spool    CANNOT BE READ" }
    let words: String =
      switch spool.condition.kind {
      case .ok: ""
      case .nearlyFull: ", nearly full"
      case .full: ", FULL"
      case .diskFull: ", DISK FULL"
      case .readOnly: ", READ-ONLY"
      case .failing: ", FAILS"
      }
    var line =
      "spool    \(Words.count(spool.waiting, "dump")) waiting, \(Words.bytes(spool.bytes)) of "
      + "\(Words.bytes(spool.byteLimit))\(words)"
    if spool.rejected > 0 { line += ", \(spool.rejected) rejected" }
    if let age = spool.oldestAgeSeconds { line += ", oldest \(Words.duration(age))" }
    return line
  }

  private static func line(for log: ConsoleLog.Report) -> String {
    "consoles \(log.folder)" + (log.problem.map { ", NOT LOGGED: \($0)" } ?? "")
      + (log.lostBytes > 0 ? ", \(Words.bytes(log.lostBytes)) lost" : "")
  }

  private static func line(for note: Note) -> String {
    "  \(Words.time(note.time))  " + (note.board.map { "\($0): " } ?? "") + note.text
      + (note.count > 1 ? " (\(note.count) times)" : "")
  }

  /// The latest of all boards and of the bridge, newest first; each once.
  private var recentErrors: [Note] {
    let ofBoards = boards.flatMap { board in
      board.errors.map { note in
        Note(time: note.time, text: note.text, board: board.address, count: note.count)
      }
    }
    let others = warnings.filter { $0.board == nil }
    return Array((ofBoards + others).sorted { $0.time > $1.time }.prefix(5))
  }

  private var attentionLines: [String] {
    guard !attention.isEmpty else { return ["All is well."] }
    return ["Needs attention:"]
      + attention.flatMap { item in
        ["  \(item.board.map { "\($0): " } ?? "")\(item.message)", "    \(item.remedy)"]
      }
  }

  // MARK: - Boards

  private var boardTable: [String] {
    let titles = ["BOARD", "STATE", "DEVICE", "IMAGE", "BOOT", "LEASE", "WAITING", "LAST DUMP"]
    return TextTable.lines([titles] + boards.map { row(for: $0).map(TerminalText.field) })
  }

  private func row(for board: Board) -> [String] {
    var cells = [board.address, Self.state(of: board)]
    cells.append(board.device.map { String($0.prefix(12)) } ?? "-")
    cells.append(board.imageVersion.map { $0.isEmpty ? "-" : $0 } ?? "-")
    cells.append(board.bootCount.map { "\($0)" } ?? "-")
    cells.append(Self.words(for: board.lease))
    cells.append(board.dumpsWaiting.map { "\($0)" } ?? "-")
    cells.append(
      board.lastDump.map { "\($0.dump) \($0.standing) \(Words.age(since: $0.time, time)) ago" }
        ?? "-")
    return cells
  }

  private static func state(of board: Board) -> String {
    guard board.isConnected else { return "away" }
    switch board.phase {
    case "agent": return "starting"
    case "application": return "running"
    default: return "silent"
    }
  }

  /// `47 h 12 min`, or why there is no lease.
  private static func words(for lease: Lease?) -> String {
    guard let lease else { return "-" }
    switch lease.state {
    case "allowed": return lease.secondsLeft.map { Words.duration($0) } ?? "valid"
    case "denied": return "no consent"
    case "clockFault": return "suspended"
    default: return lease.state
    }
  }
}
