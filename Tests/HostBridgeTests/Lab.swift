// A conversation, a scripted board and the line between them, in a time of their own.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit

@testable import HostBridge

/// Runs both ends in steps of a millisecond.
final class Lab {
  /// How the service of the test answers a wish for a lease.
  enum Consent { case allowed, denied, unreachable, silent }

  let board: FakeBoard
  let conversation: BoardConversation
  var consent = Consent.allowed
  var authority = LeaseAuthority()
  /// What the leases say.
  var epoch: UInt32 = 1
  var lifetime: UInt32 = 200
  var dumpsPerFingerprint: UInt8 = 3
  var knownFingerprints: [UInt32] = []
  /// What becomes of a lease's bytes on the way here.
  var mangle: ([UInt8]) -> [UInt8] = { $0 }
  /// How the test's spool judges offers and complete dumps.
  var judge: (DumpIdentity) -> OfferJudgement = { _ in .wanted }
  var store: (DumpIdentity) -> ReceiptVerdict = { _ in .stored }
  /// How long the test's spool needs to store a dump.
  var storingTime = Duration.zero
  /// Dumps that are being stored, and when they will be.
  private(set) var storing: [(identity: DumpIdentity, bytes: [UInt8], until: Duration)] = []

  private(set) var now: Duration = .zero
  private(set) var wishes: [LeaseWish] = []
  private(set) var spooled: [DumpKey: [UInt8]] = [:]
  private(set) var completions: [DumpKey] = []
  /// Each list of dumps whose upload the conversation waits for.
  private(set) var awaited: [[DumpIdentity]] = []
  /// Each list of counts that the conversation asked to keep.
  private(set) var counted: [[CrashCount]] = []
  private(set) var warnings: [String] = []
  private(set) var console = ""
  /// The same, byte for byte, in the pieces that were let go.
  private(set) var consolePieces: [[UInt8]] = []
  private(set) var hellos = 0
  private(set) var leases: [LeaseStatus] = []
  /// Times that the board was spared a lease because it has it already.
  private(set) var leasesKept = 0
  private(set) var unprovisioned = 0
  private(set) var starts: [StartReason] = []
  private(set) var hostBytes = 0
  var toBoard: FaultyLink
  var toHost: FaultyLink

  init(
    board: FakeBoard = FakeBoard(), settings: ConversationSettings = ConversationSettings(),
    faults: FaultyLink.Faults = .init(), seed: UInt64 = 1
  ) {
    self.board = board
    var generator = SeededGenerator(seed: seed)
    toBoard = FaultyLink(faults: faults, generator: generator.split())
    toHost = FaultyLink(faults: faults, generator: generator.split())
    conversation = BoardConversation(settings: settings)
  }

  func connect() { perform(conversation.connected(now: now)) }

  /// Pulls the plug; what is under way is lost.
  func disconnect() {
    toBoard.disconnect()
    toHost.disconnect()
    perform(conversation.disconnected())
  }

  func answerLease(_ wish: LeaseWish, allowed: Bool) {
    let lease = authority.lease(
      for: wish, allowed: allowed, epoch: epoch, lifetime: lifetime,
      dumpsPerFingerprint: dumpsPerFingerprint, knownFingerprints: knownFingerprints)
    perform(conversation.leaseIssued(mangle(lease), nonce: wish.nonce, allowed: allowed, now: now))
  }

  func failLease(_ wish: LeaseWish) {
    perform(conversation.leaseUnavailable(nonce: wish.nonce, now: now))
  }

  /// One millisecond. The board says at most one frame in it.
  func step() {
    now += .milliseconds(1)
    toBoard.advance()
    toHost.advance()
    board.receive(toBoard.receive())
    if let said = board.step() { toHost.send(said) }
    let arrived = toHost.receive()
    if !arrived.isEmpty { perform(conversation.receive(arrived, now: now)) }
    while let first = storing.first, first.until <= now {
      storing.removeFirst()
      finish(first.identity, first.bytes)
    }
    if let due = conversation.nextDeadline, due <= now { perform(conversation.tick(now: now)) }
  }

  private func finish(_ identity: DumpIdentity, _ bytes: [UInt8]) {
    let verdict = store(identity)
    if verdict == .stored { spooled[identity.key] = bytes }
    perform(conversation.settled(identity, verdict, now: now))
  }

  /// Runs until `isDone` holds. Returns whether it did within `limit` of the lab's time.
  @discardableResult
  func run(for limit: Duration = .seconds(120), until isDone: (Lab) -> Bool) -> Bool {
    let end = now + limit
    while now < end {
      if isDone(self) { return true }
      step()
    }
    return isDone(self)
  }

  /// Whether exactly these dumps were spooled, byte for byte.
  func hasSpooled(_ dumps: [DumpKey: [UInt8]?]) -> Bool {
    spooled == dumps.compactMapValues { $0 } && dumps.values.allSatisfy { $0 != nil }
  }

  func perform(_ actions: [ConversationAction]) {
    for action in actions {
      switch action {
      case .send(let bytes):
        hostBytes += bytes.count
        toBoard.send(bytes)
      case .console(let text, _):
        console += String(decoding: text, as: UTF8.self)
        consolePieces.append(text)
      case .hello: hellos += 1
      case .leaseWanted(let wish):
        wishes.append(wish)
        switch consent {
        case .allowed: answerLease(wish, allowed: true)
        case .denied: answerLease(wish, allowed: false)
        case .unreachable: failLease(wish)
        case .silent: break
        }
      case .leaseAnswered(let status, _): leases.append(status)
      case .leaseKept: leasesKept += 1
      case .notProvisioned: unprovisioned += 1
      case .offered(let identity, _, _):
        perform(conversation.judged(identity, judge(identity), now: now))
      case .complete(let identity, _, let bytes):
        completions.append(identity.key)
        if storingTime > .zero {
          storing.append((identity, bytes, now + storingTime))
        } else {
          finish(identity, bytes)
        }
      case .uploadAwaited(let dumps): awaited.append(dumps)
      case .counted(_, let counts): counted.append(counts)
      case .starting(let reason): starts.append(reason)
      case .warning(let text): warnings.append(text)
      }
    }
  }
}

/// A dump of about `size` bytes whose content depends on its key alone. To a bridge the body of a sealed
/// dump is noise, and so is this one's.
func sampleDump(_ key: DumpKey, size: Int = 5_000) -> [UInt8] {
  var generator = SeededGenerator(seed: UInt64(key.bootCount) << 32 | UInt64(key.sequence))
  var builder = DumpBuilder(key: key)
  builder.seal(noise: generator.bytes(size))
  return builder.build(withEnd: false)
}

extension DumpBuilder {
  /// Makes it a dump that looks sealed.
  mutating func seal(noise: [UInt8]) {
    header.encoding = .sealed
    body = noise
  }
}

extension LeaseAuthority {
  /// A lease as the service issues it for a wish.
  func lease(
    for wish: LeaseWish, allowed: Bool = true, epoch: UInt32 = 1,
    lifetime: UInt32 = LeaseAuthority.longestLifetime, dumpsPerFingerprint: UInt8 = 3,
    knownFingerprints: [UInt32] = []
  ) -> [UInt8] {
    lease(
      terms(
        device: [UInt8](hexDigits: wish.device) ?? [], nonce: wish.nonce, allowed: allowed,
        epoch: epoch,
        lifetime: lifetime, dumpsPerFingerprint: dumpsPerFingerprint,
        knownFingerprints: knownFingerprints))
  }
}

func key(_ bootCount: UInt32, _ sequence: UInt32) -> DumpKey {
  DumpKey(bootCount: bootCount, sequence: sequence)
}

extension FakeBoard {
  /// Puts dumps into the board's ring.
  func hold(_ keys: DumpKey..., size: Int = 5_000) {
    for key in keys { dumps[key] = sampleDump(key, size: size) }
  }
}
