// What somebody should look at, in words: what is wrong, what it means, what to do.

import Foundation

extension BridgeStatus {
  /// How long a board that is connected may say nothing.
  static let patienceForHello: TimeInterval = 30

  /// What the rest of the status asks of people, most urgent first.
  func attentionNeeded() -> [Attention] {
    let condition = spool?.condition ?? spoolCondition
    var list = [condition.flatMap(Self.attention(for:)), attentionForService].compactMap { $0 }
    if let rejected = spool?.rejected, rejected > 0 {
      list.append(
        Attention(
          code: "dumpsRejected",
          message: "\(Words.count(rejected, "dump")) will never be taken by the service",
          remedy: "\(rejected == 1 ? "It is" : "They are") kept in the spool until too old; the"
            + " warnings say why."))
    }
    for board in boards { list += attention(for: board) }
    if let log = consoleLog, let problem = log.problem {
      list.append(
        Attention(
          code: "consoleLogFails",
          message: "console text is not logged: \(problem); \(Words.bytes(log.lostBytes)) are lost",
          remedy: "Dumps are not touched by this. Make room in \(log.folder), or its rights right.")
      )
    }
    return list
  }

  // MARK: - Spool

  private static func attention(for spool: SpoolCondition) -> Attention? {
    switch spool.kind {
    case .ok: nil
    case .nearlyFull:
      Attention(
        code: "spoolNearlyFull", message: "the spool is nearly full: \(spool.words)",
        remedy: "See to it that the service answers; nothing is lost yet.")
    case .full:
      Attention(
        code: "spoolFull", message: "the spool is full: \(spool.words)",
        remedy: "See to it that the service answers, or give more room with --spool-limit.")
    case .diskFull:
      Attention(
        code: "spoolDiskFull", message: spool.words,
        remedy: "Make room on it; the bridge notices by itself.")
    case .readOnly:
      Attention(
        code: "spoolReadOnly", message: spool.words,
        remedy:
          "Look at the rights of its folder and whether the disk is mounted read-only, perhaps"
          + " after an error; the bridge notices by itself.")
    case .failing:
      Attention(
        code: "spoolFails", message: spool.words,
        remedy: "Look at the disk of the spool; boards keep their dumps until it is well.")
    }
  }

  // MARK: - Service

  private var attentionForService: Attention? {
    let words = service.lastFailure?.message ?? ""
    let retry = service.nextAttempt.map { " The next attempt is at \(Words.time($0))." } ?? ""
    let since = "since \(Words.time(service.since)) (\(Words.age(since: service.since, time)))"
    switch service.condition {
    case .unknown, .ok: return nil
    case .unreachable:
      return Attention(
        code: "serviceUnreachable",
        message: "the service at \(service.address) does not answer, \(since): \(words)",
        remedy: "Start it, or look at the network and at --service. Dumps wait here.\(retry)")
    case .untrusted:
      return Attention(
        code: "serviceUntrusted",
        message: "the service at \(service.address) is not trusted, \(since): \(words)",
        remedy:
          "Name the authority that signed its certificate with --ca, look at --service"
          + " and at this machine's clock. Dumps wait here.\(retry)")
    case .busy:
      return Attention(
        code: "serviceBusy",
        message: "the service at \(service.address) asks to be left alone, \(since): \(words)",
        remedy: "Nothing to do unless it goes on: dumps wait here.\(retry)")
    case .failing:
      return Attention(
        code: "serviceFails",
        message: "the service at \(service.address) fails, \(since): \(words)",
        remedy: "Its own log says why. Dumps wait here.\(retry)")
    case .notUnderstood:
      return Attention(
        code: "serviceNotUnderstood",
        message: "what answers at \(service.address) is no Martlet service, \(since): \(words)",
        remedy: "Look at --service, and for a proxy or a login page in between. Dumps wait here."
          + retry)
    case .refusing:
      return Attention(
        code: "serviceRefuses",
        message: "what answers at \(service.address) refuses this bridge, \(since): \(words)",
        remedy: "Look at --token-file or --certificate, at --service, and for a proxy that wants a "
          + "login. Dumps wait here.\(retry)")
    }
  }

  // MARK: - Boards

  private func attention(for board: Board) -> [Attention] {
    guard board.isConnected else {
      return [
        Attention(
          code: "boardAway", board: board.address,
          message: "not connected, since \(Words.time(board.since)) "
            + "(\(Words.age(since: board.since, time)))"
            + (board.problem.map { ": \($0)" } ?? ""),
          remedy: "Plug it in or power it; the bridge waits for it.")
      ]
    }
    guard board.device != nil else {
      guard time.timeIntervalSince(board.since) >= Self.patienceForHello else { return [] }
      return [
        Attention(
          code: "boardSilent", board: board.address,
          message: "the line is open, but no board has said who it is, for "
            + Words.age(since: board.since, time),
          remedy: "Is it powered, at this speed, on this channel, with Martlet in its image?")
      ]
    }
    return attentionForLease(of: board)
  }

  private func attentionForLease(of board: Board) -> [Attention] {
    guard let lease = board.lease else { return [] }
    if let problem = lease.problem {
      let code =
        switch lease.cause {
        case .notProvisioned: "boardNotProvisioned"
        case .deviceUnknown: "deviceUnknown"
        case .keyUnknown: "deviceKeyUnknown"
        case .refused, .noAnswer, nil: "leaseFails"
        }
      return [
        Attention(
          code: code, board: board.address, message: problem,
          remedy: lease.state == "allowed"
            ? "Its present lease holds for \(Words.duration(lease.secondsLeft ?? 0))."
            : "No crash of it is kept until it has a lease.")
      ]
    }
    switch lease.state {
    case "expired":
      return [
        Attention(
          code: "leaseExpired", board: board.address,
          message: "its lease has expired, so no crash of it is kept",
          remedy: "It gets a new one as soon as the service answers.")
      ]
    case "suspended", "clockFault":
      return [
        Attention(
          code: "leaseSuspended", board: board.address,
          message: lease.state == "suspended"
            ? "its lease is suspended: it was without power for it does not know how long"
            : "its lease is suspended: its clock is not to be trusted",
          remedy: "It gets a new one as soon as the service answers.")
      ]
    default: return []
    }
  }
}
