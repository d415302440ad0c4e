// Everything on the device that talks: it readies the ring, forwards dumps, takes leases.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import LinkProtocol

/// The boot agent. Make one at the start of `main`, call ``waitForHost(console:)``, then call
/// ``poll(console:)`` from the application's own loop, at least every few minutes: it renews the lease
/// and keeps uptime. Contexts: boot until the wait ends, then app.
public struct BootAgent {
  /// Time after reset for which the agent waits for the host's first frame, microseconds.
  static let firstAnswer: UInt64 = 5_000_000
  /// Silence of the host after which the application starts, microseconds.
  static let silence: UInt64 = 5_000_000
  /// Time after reset at which the application starts whatever happens, microseconds.
  static let longestStay: UInt64 = 60_000_000
  /// Time between two HELLOs of the agent's own, microseconds.
  static let helloInterval: UInt64 = 500_000
  /// Bytes taken from the line in one step.
  private static let bytesPerStep = 256

  let gate: ConsentGate
  let ring: DumpRing?
  let deviceID: DeviceID
  /// This boot's number; 0 when flash could not tell.
  public let bootCount: UInt32
  var nonce = LeaseNonce()
  var port: LinkPort
  /// Where the start of the application stands.
  public internal(set) var phase = BootPhase.agent
  var startReason = StartReason.nothingToForward
  var largestFrame = UInt16(FrameLimit.initial)
  var transfer = TransferQueue()
  /// Checksum of the last lease that was accepted; `nil` before the first.
  var lastLease: UInt32?
  /// When the host was last heard, microseconds since reset; `nil` before the first frame.
  private var lastHeard: UInt64?
  private var nextHello: UInt64 = 0

  /// Starts the device side of Martlet for this boot: opens gate and uptime, counts the boot, stores
  /// what the last boot left in retained RAM, erases ahead and makes the fault path ready.
  ///
  /// - Parameter slotSize: bytes of a ring slot, a whole number of sectors: the largest dump.
  public init(slotSize: UInt32) {
    let geometry = halFlashGeometry()
    gate = consentGate()
    gate.start(afterPowerOn: halResetCause() == .powerOn)
    ring = DumpRing(geometry: geometry, slotSize: slotSize)
    bootCount = Self.countBoot(geometry)
    deviceID = DeviceIdentity.find(geometry: geometry)
    port = LinkPort()
    renewNonce()
    ring?.settle()
    storeLeftDump()
    recordWatchdogReset()
    prepareCapture()
  }

  /// Whether a dump waits to be forwarded.
  public var hasDumps: Bool { ring?.next(after: DumpKey(bootCount: 0, sequence: 0)) != nil }

  /// Waits for the host and serves it until the application should start: at once when no dump waits,
  /// within 5 s of reset when nobody answers, and when the host says GO otherwise.
  ///
  /// - Parameter console: gets each byte of console text that arrives meanwhile.
  public mutating func waitForHost(console: (UInt8) -> Void) {
    greet()
    while phase == .agent { step(console: console) }
  }

  /// Serves the host from the application's loop. Takes the time of one frame at most.
  ///
  /// - Parameter console: gets each byte of console text that arrived.
  public mutating func poll(console: (UInt8) -> Void) { step(console: console) }

  /// Writes console text to the line.
  public func write(_ text: UnsafeBufferPointer<UInt8>) { port.write(text) }

  /// Says HELLO, and starts the application when there is nothing to wait for.
  mutating func greet() {
    nextHello = halMonotonicMicroseconds() + Self.helloInterval
    if !hasDumps {
      phase = .application
      startReason = .nothingToForward
    }
    sendHello(sequence: 0)
    if phase == .application { sendStarting(sequence: 0) }
  }

  /// One turn: takes bytes, answers frames, sends a piece of what was fetched, minds the time.
  mutating func step(console: (UInt8) -> Void) {
    gate.clock.update(halMonotonicMicroseconds())
    for _ in 0..<Self.bytesPerStep {
      guard let received = port.receive() else { break }
      switch received {
      case .nothing, .damaged: break
      case .text(let byte): console(byte)
      case .twoOfText(let first, let second):
        console(first)
        console(second)
      case .frame(let frame):
        // Read anew for each frame: answers take time, and the gate's clock never goes back.
        let heard = halMonotonicMicroseconds()
        lastHeard = heard
        answer(frame, at: heard)
      }
    }
    sendFetched()
    if phase == .agent {
      halWatchdogFeed()
      mindTime(halMonotonicMicroseconds())
    }
  }

  /// Starts the application and says so.
  mutating func start(_ reason: StartReason, sequence: UInt8) {
    phase = .application
    startReason = reason
    sendStarting(sequence: sequence)
  }

  private mutating func mindTime(_ now: UInt64) {
    if now >= Self.longestStay {
      start(.timeLimit, sequence: 0)
    } else if let lastHeard {
      if now &- lastHeard >= Self.silence { start(.hostFellSilent, sequence: 0) }
    } else if now >= Self.firstAnswer {
      start(.nobodyAnswered, sequence: 0)
    } else if now >= nextHello {
      nextHello = now + Self.helloInterval
      sendHello(sequence: 0)
    }
  }

  private static func countBoot(_ geometry: FlashGeometry) -> UInt32 {
    guard let counter = BootCounter(geometry: geometry) else { return 0 }
    do throws(FlashError) {
      return try counter.countBoot()
    } catch {
      return 0
    }
  }

  /// Makes the next nonce. Without entropy it stays zeros and no lease is taken.
  mutating func renewNonce() {
    nonce = LeaseNonce()
    withUnsafeMutableBytes(of: &nonce.bytes) { bytes in
      guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      if halEntropy(base, LeaseNonce.count) != .ok {
        for i in 0..<LeaseNonce.count { bytes[i] = 0 }
      }
    }
  }
}
