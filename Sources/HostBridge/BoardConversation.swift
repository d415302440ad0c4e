// The host's half of the link protocol, as a state machine without a clock, a line or a database.

import DumpFormat
import LinkProtocol

/// Talks to one board (docs/formats/link.md). It outlives connections: a dump that arrived in part
/// is gone on with when the board comes back.
///
/// Feed it what happens; each call returns what to do, in order. Times are on one time line of the
/// caller's. Call ``tick(now:)`` when ``nextDeadline`` has come.
///
/// A visit: HELLO, WELCOME, a lease is asked for; as soon as the board holds a valid one, NEXT, OFFER,
/// FETCH, RECEIPT for each dump, one dump being asked for and fetched while others are stored; once for
/// each boot TALLY until all counts are read; at the end GO, if the board's boot agent still waits.
/// Visits begin when the board says HELLO and at every poll.
public final class BoardConversation {
  /// What the conversation waits for.
  enum Stage: Equatable {
    /// There is no line.
    case disconnected
    /// Nobody answered WHO yet.
    case searching
    case welcoming
    /// The board's lease is not valid: the service's answer decides.
    case awaitingLease
    /// Dumps are asked for and fetched: ``BoardConversation/pass`` says how far.
    case forwarding
    /// TALLY is out for this position. Dumps may still be stored and acknowledged.
    case counting(UInt16)
    /// All is done but storing and acknowledging.
    case settling
    /// All is done but the lease, whose answer the boot agent waits a little for.
    case closing
    /// All is done but the upload, which the boot agent waits for when it is told to.
    case uploading
    /// GO is out.
    case leaving
    /// The application runs and nothing is to be done until the next poll.
    case resting
  }

  /// Where the lease asked for is.
  enum LeaseLane: Equatable {
    case idle
    /// The service is asked on behalf of this nonce.
    case asked(nonce: [UInt8])
    /// It came, and waits until the board, which has one that is valid, has time for it.
    case held([UInt8])
    /// LEASE is out.
    case sent(allowed: Bool)
  }

  let settings: ConversationSettings
  let inbox: FrameInbox
  var console = ConsoleLines()
  var stage = Stage.disconnected
  var lane = LeaseLane.idle
  /// The newest HELLO of the board that is there.
  var hello: Hello?
  var deviceID = ""
  var phase = BootPhase.agent
  /// This boot's start of the application was passed on.
  var hasToldStart = false
  var agreedFrame = FrameLimit.initial
  var requests = RequestTable()
  /// The dumps under way.
  var pass = DumpPass()
  /// The dump that is fetched, or was when the line went away.
  var partial: PartialDump?
  var window: FetchWindow
  /// Numbers of the FETCHes of this dump.
  var fetchSequences: Set<UInt8> = []
  /// Times the dump at hand arrived with a wrong checksum.
  var damagedArrivals = 0
  /// When the last byte of the latest dump came.
  var lastWhole = Duration.zero
  /// Counts of the pass that is under way.
  var counts: [CrashCount] = []
  /// The boot whose counts were read.
  var countedBoot: UInt32?
  /// What the board was told by the last lease that it took in this boot and over this connection.
  var heldLease: LeaseContent?
  /// What the lease says that is out.
  var offeredLease: LeaseContent?
  /// Leases of this visit that the board turned down for their nonce.
  var staleLeases = 0
  /// This visit ends without the service's word on consent.
  var leaseMissed = false
  /// When the wait for a lease ends for the boot agent.
  var leasePatienceEnds = Duration.zero
  /// When the wait for the service ends for the boot agent.
  var uploadPatienceEnds = Duration.zero
  var fetchTimer = FetchTimer()
  var sizer: FrameSizer
  /// The longest recent time from a request to its answer.
  var trip: Duration?
  var nextPoll: Duration?
  var lastSent = Duration.zero
  var lastReceived = Duration.zero
  var mayHoldByte = false
  /// Kept over all connections.
  var lineCounts = LineCounts()
  var actions: [ConversationAction] = []

  public init(settings: ConversationSettings = ConversationSettings()) {
    self.settings = settings
    inbox = FrameInbox(largestFrame: settings.largestFrame)
    sizer = FrameSizer(limit: settings.largestFrame)
    window = FetchWindow(transfer: 0, largestFrame: FrameLimit.initial)
  }

  // MARK: - What happens

  /// A line to the board is open.
  public func connected(now: Duration) -> [ConversationAction] {
    inbox.reset()
    fetchTimer = FetchTimer()
    trip = nil
    mayHoldByte = false
    search(now: now)
    return takeActions()
  }

  /// The line is gone. A dump that arrived in part is kept.
  public func disconnected() -> [ConversationAction] {
    requests.removeAll()
    pass = DumpPass()
    stage = .disconnected
    lane = .idle
    nextPoll = nil
    hello = nil
    heldLease = nil
    say(console.flush())
    return takeActions()
  }

  /// Bytes arrived.
  public func receive(_ bytes: some Sequence<UInt8>, now: Duration) -> [ConversationAction] {
    guard stage != .disconnected else { return [] }
    lastReceived = now
    var text: [UInt8] = []
    for byte in bytes {
      switch inbox.receive(byte) {
      case .nothing: break
      case .byte(let byte): text.append(byte)
      case .text(let bytes): text += bytes
      case .damaged:
        lineCounts.damagedFrames += 1
        noteDamage(now: now)
      case .frame(let frame):
        lineCounts.frames += 1
        say(console.receive(text, now: now))
        text = []
        receive(frame, now: now)
      }
    }
    say(console.receive(text, now: now))
    mayHoldByte = true
    return takeActions()
  }

  /// Time has passed.
  public func tick(now: Duration) -> [ConversationAction] {
    guard stage != .disconnected else { return [] }
    if mayHoldByte, now >= lastReceived + ConsoleLines.patience {
      mayHoldByte = false
      say(console.receive(inbox.idle(), now: now))
    }
    say(console.flush(now: now))
    repeatRequests(now: now)
    checkFetch(now: now)
    checkStage(now: now)
    keepAlive(now: now)
    return takeActions()
  }

  /// When ``tick(now:)`` is due, or `nil` when only something that happens matters.
  public var nextDeadline: Duration? {
    guard stage != .disconnected else { return nil }
    var deadlines = [console.deadline, requests.nextDeadline, nextPoll]
    if mayHoldByte { deadlines.append(lastReceived + ConsoleLines.patience) }
    if pass.fetching != nil { deadlines.append(fetchTimer.deadline) }
    switch stage {
    case .awaitingLease, .closing: deadlines.append(leasePatienceEnds)
    case .uploading: deadlines.append(uploadPatienceEnds)
    default: break
    }
    if needsKeepAlive { deadlines.append(lastSent + settings.keepAlive) }
    return deadlines.compactMap { $0 }.min()
  }

  // MARK: - What to do

  func takeActions() -> [ConversationAction] {
    defer { actions = [] }
    return actions
  }

  func say(_ text: [UInt8]) {
    if text.isEmpty { return }
    lineCounts.consoleBytes += text.count
    actions.append(.console(text, began: console.began))
  }

  func warn(_ text: String) { actions.append(.warning(text)) }

  func send(_ frame: [UInt8], now: Duration) {
    lastSent = now
    actions.append(.send(frame))
  }
}

/// What a conversation may choose.
public struct ConversationSettings: Sendable {
  /// From the end of one visit to the next WHO: how soon a change of consent is noticed.
  public var pollInterval: Duration
  /// The same after a visit in which the service was not reached.
  public var leaseRetry: Duration
  /// Largest frame before COBS to agree on, 64 to 4,096 bytes.
  public var largestFrame: Int
  /// How long the boot agent is kept waiting for the service's answer.
  public var leasePatience: Duration
  /// Silence of the host that a boot agent is spared, well below the 5 s it waits.
  public var keepAlive: Duration
  /// How long after the last transfer the boot agent is kept waiting for the service to have what it
  /// forwarded; `nil`: not at all, the spool is enough. The agent itself leaves 60 s after reset.
  public var waitForUpload: Duration?

  public init(
    pollInterval: Duration = .seconds(30), leaseRetry: Duration = .seconds(5),
    largestFrame: Int = FrameLimit.largest, leasePatience: Duration = .seconds(2),
    keepAlive: Duration = .seconds(2), waitForUpload: Duration? = nil
  ) {
    self.pollInterval = pollInterval
    self.leaseRetry = min(leaseRetry, pollInterval)
    self.largestFrame = min(max(largestFrame, FrameLimit.initial), FrameLimit.largest)
    self.leasePatience = leasePatience
    self.keepAlive = keepAlive
    self.waitForUpload = waitForUpload
  }
}
