// The host's end of a virtual bench: the genuine conversation with a service and a disk of the test's.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit

@testable import HostBridge

/// The host's end: a conversation, a service that answers after a while, a disk that takes its time.
final class VirtualBridge: LinkHost {
  let link: PacedLink
  private(set) var conversation: BoardConversation
  private let settings: ConversationSettings
  /// Whose leases the service of the test gives.
  let authority = LeaseAuthority()
  /// How long the service thinks; `nil`: it never answers.
  var serviceTime: Duration? = .milliseconds(20)
  /// How long storing takes; the disk takes one dump at a time.
  var storingTime: Duration = .milliseconds(5)
  /// What the spool holds: it outlives the bridge.
  var spool: [DumpIdentity: [UInt8]] = [:]
  /// Each time that a dump was put into the spool.
  fileprivate(set) var stored: [DumpIdentity] = []
  private(set) var starts: [StartReason] = []
  private(set) var warnings: [String] = []
  private(set) var leases: [LeaseStatus] = []
  private(set) var devices: Set<String> = []
  /// Bytes that were on the line, both ways, when the application started.
  private(set) var bytesAtStart: Int?
  /// When a request or an answer of a type was first and last seen here.
  private(set) var seen: [FrameType: (first: Duration, last: Duration)] = [:]
  /// Bytes that were on the line when a request or answer of a type was last seen.
  private(set) var bytesSeen: [FrameType: Int] = [:]
  private let inbox = FrameInbox(largestFrame: FrameLimit.largest)
  private var diskIsFree = Duration.zero
  private var storing: [DumpIdentity: [UInt8]] = [:]
  /// What was asked of service and disk before a restart or a disconnect is forgotten.
  private var life = 0

  init(link: PacedLink, settings: ConversationSettings) {
    self.link = link
    self.settings = settings
    conversation = BoardConversation(settings: settings)
  }

  func connect() {
    link.isConnected = true
    perform(conversation.connected(now: link.now))
  }

  /// The line goes away, with all that is on it.
  func disconnect() {
    life += 1
    link.isConnected = false
    perform(conversation.disconnected())
  }

  /// Ends the bridge, by kill -9 as it were, and starts another one.
  ///
  /// - Parameter keeps: whether a dump that is being stored is found in the spool afterwards.
  func restart(keeps: (DumpIdentity) -> Bool = { _ in false }) {
    life += 1
    for (identity, bytes) in storing where keeps(identity) { keep(identity, bytes) }
    storing = [:]
    conversation = BoardConversation(settings: settings)
    if link.isConnected { connect() }
  }

  var nextDeadline: Duration? { conversation.nextDeadline }
  func wake(at now: Duration) { perform(conversation.tick(now: now)) }

  func receive(_ bytes: [UInt8], at now: Duration) {
    for byte in bytes {
      if case .frame(let frame) = inbox.receive(byte) { note(frame.type) }
    }
    perform(conversation.receive(bytes, now: now))
  }

  private func note(_ type: UInt8) {
    guard let type = FrameType(rawValue: type) else { return }
    seen[type] = (seen[type]?.first ?? link.now, link.now)
    bytesSeen[type] = link.bytesToHost + link.bytesToBoard
  }

  private func later(_ delay: Duration, _ body: @escaping (VirtualBridge) -> Void) {
    let life = life
    link.at(link.now + delay) { [weak self] in
      guard let self, self.life == life else { return }
      body(self)
    }
  }

  private func perform(_ actions: [ConversationAction]) {
    for action in actions {
      switch action {
      case .send(let bytes):
        // Marker and type never need COBS.
        if bytes.count > 3 { note(bytes[3]) }
        link.send(bytes)
      case .leaseWanted(let wish): answer(wish)
      case .offered(let identity, _, let prologue): judge(identity, prologue)
      case .complete(let identity, _, let bytes): store(identity, bytes)
      case .starting(let reason):
        starts.append(reason)
        bytesAtStart = link.bytesToHost + link.bytesToBoard
      case .warning(let words): warnings.append(words)
      case .notProvisioned: warnings.append("not provisioned")
      case .leaseAnswered(let status, _): leases.append(status)
      case .hello(let hello): devices.insert(hello.deviceID.text)
      case .uploadAwaited, .counted, .console, .leaseKept: break
      }
    }
  }

  private func answer(_ wish: LeaseWish) {
    guard let serviceTime else { return }
    later(serviceTime) {
      $0.perform(
        $0.conversation.leaseIssued(
          $0.authority.lease(for: wish, dumpsPerFingerprint: 64), nonce: wish.nonce, allowed: true,
          now: $0.link.now))
    }
  }

  private func judge(_ identity: DumpIdentity, _ prologue: [UInt8]) {
    later(.zero) {
      let judgement: OfferJudgement =
        switch $0.spool[identity] {
        case nil: .wanted
        case let held?: .settled(held.starts(with: prologue) ? .stored : .notNow)
        }
      $0.perform($0.conversation.judged(identity, judgement, now: $0.link.now))
    }
  }

  private func store(_ identity: DumpIdentity, _ bytes: [UInt8]) {
    storing[identity] = bytes
    diskIsFree = max(link.now, diskIsFree) + storingTime
    later(diskIsFree - link.now) {
      $0.storing[identity] = nil
      $0.keep(identity, bytes)
      $0.perform($0.conversation.settled(identity, .stored, now: $0.link.now))
    }
  }
}

extension VirtualBridge {
  fileprivate func keep(_ identity: DumpIdentity, _ bytes: [UInt8]) {
    guard spool[identity] == nil else { return }
    spool[identity] = bytes
    stored.append(identity)
  }
}
