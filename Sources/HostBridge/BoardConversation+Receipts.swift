// What the board is told about its dumps, beside the fetching of others.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Times a receipt is sent anew when the board could not write it down.
  static let mostReceipts = 3

  /// How the dump of ``ConversationAction/complete(_:_:bytes:)`` was dealt with.
  public func settled(
    _ identity: DumpIdentity, _ verdict: ReceiptVerdict, now: Duration
  ) -> [ConversationAction] {
    guard let index = settlement(of: identity.key), pass.settling[index].identity == identity,
      case .storing = pass.settling[index].state
    else { return [] }
    sendReceipt(verdict, for: identity, now: now)
    return takeActions()
  }

  /// Sends the receipt of a dump that is settling.
  func sendReceipt(
    _ verdict: ReceiptVerdict, for identity: DumpIdentity, failures: Int = 0, now: Duration
  ) {
    guard let index = settlement(of: identity.key) else { return }
    pass.settling[index].state = .receipting(verdict, failures: failures)
    request(.receipt, about: identity.key, now: now) { frame in
      Receipt(key: identity.key, verdict: verdict).append(to: &frame)
    }
  }

  func receive(_ done: Done, _ sequence: UInt8, now: Duration) {
    guard let key = requests.take(sequence, .receipt)?.key, let index = settlement(of: key),
      case .receipting(let verdict, let failures) = pass.settling[index].state
    else { return }
    let identity = pass.settling[index].identity
    if done.status == .flashFailed {
      if failures + 1 < Self.mostReceipts {
        sendReceipt(verdict, for: identity, failures: failures + 1, now: now)
        return
      }
      warn("the board cannot write down what became of dump \(key.text)")
    }
    if verdict == .stored { pass.stored.append(identity) }
    endSettlement(index, now: now)
  }

  func refuseReceipt(_ key: DumpKey?, _ code: RefusalCode, now: Duration) {
    warn("the board did not take a receipt: \(code)")
    if let key, let index = settlement(of: key) { endSettlement(index, now: now) }
  }

  private func settlement(of key: DumpKey) -> Int? {
    pass.settling.firstIndex { $0.identity.key == key }
  }

  private func endSettlement(_ index: Int, now: Duration) {
    pass.settling.remove(at: index)
    if stage == .settling {
      closePass(now: now)
    } else {
      advancePass(now: now)
    }
  }
}
