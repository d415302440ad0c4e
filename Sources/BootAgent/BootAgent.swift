// Everything on the device that talks: it readies the ring, forwards dumps, takes leases.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import DumpSealing
import LinkProtocol

/// The boot agent. Make one at the start of `main`, call ``waitForHost(console:)``, then call
/// ``poll(console:)`` from the application's own loop, at least every few minutes: it renews the lease
/// and keeps uptime. Contexts: boot until the wait ends, then app.
public struct BootAgent {
  /// Time after reset for which the agent waits for the host's first frame, and silence of the host
  /// after which the application starts, microseconds.
  static let silence: UInt64 = 5_000_000
  /// Time after reset at which the application starts whatever happens, microseconds.
  static let longestStay: UInt64 = 60_000_000
  /// Time between two HELLOs of the agent's own, microseconds.
  static let helloInterval: UInt64 = 500_000
  /// Bytes taken from the line in one step.
  private static let bytesPerStep = 256
  /// Bytes of a dump read at a time: some 40 us at 50 MHz.
  static let bytesPerRead: UInt32 = 256
  /// For how long a poll of the application waits for a line that is slower than a frame, microseconds.
  private static let longestPoll: UInt64 = 5_000

  let gate: ConsentGate
  let ring: DumpRing?
  var log: StateLog?
  /// Who the board is and what it runs; the rest is filled in when it is said.
  var hello = Hello()
  var port: LinkPort
  /// Where the start of the application stands.
  public internal(set) var phase = BootPhase.agent
  var startReason = StartReason.nothingToForward
  var largestFrame = FrameLimit.initial
  var transfer = TransferQueue()
  /// When the nonce was made, microseconds since reset.
  var nonceMadeAt: UInt64 = 0
  /// Checksum of the last lease that was accepted; `nil` before the first.
  var lastLease: UInt32?
  /// Periods of uptime that flash has counted.
  private var periods: UInt32 = 0
  /// A frame is on its way that was begun under consent.
  private var hasConsent = false
  /// When the host was last heard, microseconds since reset; `nil` before the first frame.
  private var lastHeard: UInt64?
  private var nextHello: UInt64 = 0

  /// This boot's number; 0 when flash could not tell.
  public var bootCount: UInt32 { hello.bootCount }

  /// Starts the device side of Martlet for this boot: opens gate and uptime, counts the boot, stores
  /// what the last boot left in retained RAM, erases ahead and makes the fault path ready.
  ///
  /// - Parameters:
  ///   - slotSize: bytes of a ring slot, a whole number of sectors: the largest dump. Images that share
  ///     a ring use the same.
  ///   - component: number of the image that runs, shown with its dumps: 0 application, 1 loader,
  ///     others by agreement of the images.
  public init(slotSize: UInt32, component: UInt8 = 0) {
    let geometry = halFlashGeometry()
    let gate = consentGate()
    let isWarm = ResetCause.current.isWarm
    withGuardedOpen {
      gate.start(isWarm: isWarm)
      if !isWarm { sealingKeys().clear() }
    }
    self.gate = gate
    port = LinkPort()
    ring = DumpRing(
      geometry: geometry, slotSize: slotSize, table: halScratch().start + ScratchLayout.ring)
    var log = StateLog(geometry: geometry)
    log?.makeRoom(geometry: geometry)
    // Where the log is lost, the dumps themselves keep a number from being used again.
    let lastBoot = ring?.lastBoot ?? 0
    hello.bootCount = max(log?.countBoot() ?? 0, lastBoot == 0 ? 0 : lastBoot &+ 1)
    hello.resetCause = .current
    hello.largestFrame = UInt16(LinkPort.largestSent)
    periods = log?.periodCount ?? 0
    withGuardedOpen { gate.check(boot: hello.bootCount, periods: periods) }
    if let deviceID = Self.deviceID(geometry) { hello.deviceID = deviceID }
    KeyTraces.erase()
    var left = Leftovers(
      gate: gate, ring: ring, log: log, bootCount: hello.bootCount, component: component)
    left.keep()
    self.log = left.log
    left.prepareCapture()
    renewNonce()
  }

  /// The board's id in flash. The record has the private key beside it, so the stack frame is erased
  /// behind it.
  @inline(never)
  private static func deviceID(_ geometry: FlashGeometry) -> DeviceID? {
    guard let identity = try? StoredIdentity.find(geometry) else { return nil }
    return identity.withParts { _, _, deviceID, _ in DeviceID(at: deviceID) }
  }

  /// Whether a dump waits to be forwarded.
  public var hasDumps: Bool { ring?.count(.waiting) ?? 0 > 0 }

  /// Waits for the host and serves it until the application should start: at once when no dump waits,
  /// within 5 s of reset when nobody answers, and when the host says GO otherwise.
  ///
  /// - Parameter console: gets each byte of console text that arrives meanwhile.
  public mutating func waitForHost(console: (UInt8) -> Void) {
    greet()
    while phase == .agent { step(console: console) }
  }

  /// Serves the host from the application's loop. Waits 5 ms at most for the line; what it does not take
  /// of a frame in that time goes out at the next calls.
  ///
  /// - Parameter console: gets each byte of console text that arrived.
  public mutating func poll(console: (UInt8) -> Void) { step(console: console) }

  /// Writes console text to the line, behind the rest of a frame that is on its way. Waits for the line
  /// as long as it takes something every 250 ms; the text, or the rest of the frame, is then given up.
  public func write(_ text: UnsafeBufferPointer<UInt8>) { port.write(text) }

  /// Says HELLO, and starts the application when there is nothing to wait for.
  mutating func greet() {
    if !hasDumps { becomeApplication() }
    nextHello = halMonotonicMicroseconds() + Self.helloInterval
    sendHello(0)
    if phase == .application { sendStarting(0) }
  }

  /// One turn: sends on what the line did not take, and then takes bytes, answers frames, sends a piece
  /// of what was fetched; minds the time. One frame is on its way at any time, and answers come before
  /// what was fetched.
  mutating func step(console: (UInt8) -> Void) {
    beginTurn()
    for _ in 0..<Self.bytesPerStep {
      switch next() {
      case .none: return endTurn()
      case .nothing, .damaged, .frame: break
      case .text(let byte): console(byte)
      case .twoOfText(let first, let second):
        console(first)
        console(second)
      }
    }
    endTurn()
  }

  @inline(never)
  private mutating func beginTurn() {
    withGuardedOpen { gate.update(at: halMonotonicMicroseconds()) }
    keepPeriods()
    // What was begun under consent is not finished without.
    if hasConsent, !isOpen { port.drop() }
    port.push()
  }

  /// Takes one byte, unless a frame is still on its way, and answers a frame that it ends.
  @inline(never)
  private mutating func next() -> Received? {
    guard !port.isBusy, let received = port.receive() else { return nil }
    if case .frame(let frame) = received {
      lastHeard = halMonotonicMicroseconds()
      answer(frame)
    }
    return received
  }

  @inline(never)
  private mutating func endTurn() {
    if !port.isBusy { sendFetched() }
    if phase == .agent {
      halWatchdogFeed()
      mindTime(halMonotonicMicroseconds())
    } else {
      port.push(for: Self.longestPoll)
    }
    hasConsent = port.isBusy && isOpen
  }

  /// Starts the application and says so.
  mutating func start(_ reason: StartReason, _ sequence: UInt8) {
    // A line that is slow does not hold the application up.
    port.drop()
    becomeApplication()
    startReason = reason
    sendStarting(sequence)
  }

  /// From here on the line is the application's, too.
  private mutating func becomeApplication() {
    phase = .application
    port.isShared = true
  }

  private mutating func mindTime(_ now: UInt64) {
    if now >= Self.longestStay {
      start(.timeLimit, 0)
    } else if now &- (lastHeard ?? 0) >= Self.silence {
      start(lastHeard == nil ? .nobodyAnswered : .hostFellSilent, 0)
    } else if lastHeard == nil, now >= nextHello, !port.isBusy {
      nextHello = now + Self.helloInterval
      sendHello(0)
    }
  }

  /// Counts periods of uptime in flash, one bit every 71.6 minutes, so that an uptime that went back is
  /// found out.
  private mutating func keepPeriods() {
    let periods = periods
    guard var log, withGuardedOpen({ gate.isPeriodOver(periods) }) else { return }
    // Not tried again before the next boot when flash does not take it.
    self.periods = max(log.countPeriod(), periods &+ 1)
    self.log = log
    withGuardedOpen { CrashCapture.replace(log: log) }
  }
}
