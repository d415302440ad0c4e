// A board on a bench: boots the agent, gives leases, crashes, and talks to it as a bridge would.

import BoardHAL
@testable import BootAgent
import ConsentLease
import CrashCapture
import Crypto
import DumpAnalysis
import DumpFormat
import DumpOpening
import DumpRing
import LinkProtocol
import MartletTestKit
import Testing

/// A frame as the board sent it.
struct BoardFrame {
  var type: UInt8
  var sequence: UInt8
  var payload: [UInt8]

  func `is`(_ type: FrameType) -> Bool { self.type == type.rawValue }
}

/// An emulated board with the boot agent on it, and the host's end of its line.
final class Bench {
  let board: EmulatedBoard
  let slotSize: UInt32
  /// The service that the board trusts.
  let authority = LeaseAuthority()
  /// The device's public key, once it is provisioned.
  private(set) var publicKey: [UInt8] = []
  private var deviceID: [UInt8] = []
  private(set) var agent: BootAgent?
  /// Console text that the application received.
  private(set) var console: [UInt8] = []
  /// Text that the board wrote outside frames.
  private(set) var boardText: [UInt8] = []
  private var nextSequence: UInt8 = 1
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  /// The host's end of the line, which outlives any boot of the board.
  private var receiver: FrameReceiver

  init(_ configuration: EmulatedBoard.Configuration = .small(), slotSize: UInt32 = 4096) throws {
    receiver = FrameReceiver(buffer: buffer)
    board = try EmulatedBoard(configuration)
    self.slotSize = slotSize
  }

  deinit {
    buffer.deallocate()
    // What a board with an MPU would have made a fault.
    let counters = board.counters
    if counters.guardViolations > 0 {
      Issue.record("guarded memory changed without an open, at \(counters.guardOffset)")
    }
  }

  /// Starts the board as it has to be started and makes the agent, without waiting for a host.
  func boot() {
    board.restart()
    provision()
    agent = board.run { BootAgent(slotSize: slotSize) }
  }

  /// Boots a board that may have no identity, after a start.
  func bootUnprovisioned() { agent = board.run { BootAgent(slotSize: slotSize) } }

  /// Gives the board an identity that trusts ``authority``, as PROVISION does, unless it has one.
  func provision() {
    board.run {
      var identity: StoredIdentity?
      do throws(FlashError) {
        identity = try StoredIdentity.find()
      } catch {
        return
      }
      let key = authority.signingKeyBytes
      if identity == nil {
        identity = key.withUnsafeBytes { key in
          key.baseAddress.flatMap { StoredIdentity.make(trusting: $0) }
        }
      }
      identity?.withParts { _, publicKey, id, _ in
        self.publicKey = Array(UnsafeRawBufferPointer(start: publicKey, count: 32))
        deviceID = Array(UnsafeRawBufferPointer(start: id, count: 64))
      }
    }
  }

  /// Resets a running board and boots it.
  func reboot(cause: HALResetCause = .software) {
    board.warmReset(cause: cause)
    provision()
    agent = board.run { BootAgent(slotSize: slotSize) }
  }

  /// Cuts the power, switches it on and boots.
  func bootCold() {
    board.powerCycle()
    provision()
    agent = board.run { BootAgent(slotSize: slotSize) }
  }

  // MARK: - Talking

  /// Lets the agent take `turns` turns and returns what it sent.
  @discardableResult
  func poll(_ turns: Int = 1) -> [BoardFrame] {
    turn(turns)
    return hear()
  }

  /// Lets the agent take `turns` turns; what it sends stays on the line.
  func turn(_ turns: Int = 1) {
    board.run {
      for _ in 0..<turns { agent?.poll { console.append($0) } }
    }
  }

  /// Lets the agent greet the host without waiting for it.
  func greet() { board.run { agent?.greet() } }

  /// Waits for the host as an application's `main` does and returns what the board sent.
  @discardableResult
  func waitForHost() -> [BoardFrame] {
    board.run { agent?.waitForHost { console.append($0) } }
    return hear()
  }

  /// Sends a request and returns the frames that answer it.
  @discardableResult
  func ask(
    _ type: FrameType, turns: Int = 1, _ body: (inout FrameWriter) -> Void = { _ in }
  ) -> [BoardFrame] {
    let sequence = nextSequence
    nextSequence = nextSequence == .max ? 1 : nextSequence + 1
    board.send(frame(type, sequence: sequence, body))
    return poll(turns)
  }

  /// An encoded frame.
  func frame(
    _ type: FrameType, sequence: UInt8, _ body: (inout FrameWriter) -> Void = { _ in }
  ) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: FrameLimit.encoded(4096))
    let length = buffer.withUnsafeMutableBytes { raw -> Int? in
      var writer = FrameWriter(type, sequence: sequence, into: raw)
      body(&writer)
      return writer.finish()
    }
    return Array(buffer.prefix(length ?? 0))
  }

  /// Takes what the board has sent so far.
  func hear() -> [BoardFrame] { understand(board.receive()) }

  /// Takes bytes of the board's line.
  func understand(_ bytes: [UInt8]) -> [BoardFrame] {
    var frames: [BoardFrame] = []
    for byte in bytes {
      switch receiver.receive(byte) {
      case .nothing, .damaged: break
      case .text(let byte): boardText.append(byte)
      case .twoOfText(let first, let second): boardText += [first, second]
      case .frame(let frame):
        frames.append(
          BoardFrame(type: frame.type, sequence: frame.sequence, payload: Array(frame.payload)))
      }
    }
    return frames
  }

  /// Asks who the board is.
  func hello() -> Hello? {
    ask(.who).last { $0.is(.hello) }.flatMap { frame in
      try? frame.payload.withUnsafeBytes { try Hello(decoding: $0) }
    }
  }

  // MARK: - Consent

  /// What a good lease for this board and the nonce it shows now says.
  func terms(
    allowed: Bool = true, epoch: UInt32 = 1, lifetime: UInt32 = Lease.longestLifetime,
    dumpsPerFingerprint: UInt8 = 3, known: [UInt32] = []
  ) -> LeaseTerms {
    authority.terms(
      for: hello() ?? Hello(), allowed: allowed, epoch: epoch, lifetime: lifetime,
      dumpsPerFingerprint: dumpsPerFingerprint, knownFingerprints: known)
  }

  /// Sends a lease's bytes and returns what the board says of it.
  @discardableResult
  func send(lease bytes: [UInt8]) -> LeaseStatus? {
    let answer = ask(.lease, turns: 2) { writer in bytes.withUnsafeBytes { writer.append($0) } }
    return answer.last { $0.is(.leaseStatus) }.flatMap { frame in
      try? frame.payload.withUnsafeBytes { try LeaseStatus(decoding: $0) }
    }
  }

  /// Gives the board a lease and returns what it says of it.
  @discardableResult
  func give(
    allowed: Bool = true, epoch: UInt32 = 1, lifetime: UInt32 = Lease.longestLifetime,
    dumpsPerFingerprint: UInt8 = 3
  ) -> LeaseStatus? {
    send(
      lease: authority.lease(
        terms(
          allowed: allowed, epoch: epoch, lifetime: lifetime,
          dumpsPerFingerprint: dumpsPerFingerprint)))
  }

  // MARK: - Crashing and forwarding

  /// Crashes the application. The board waits for its reset afterwards, or has lost its power.
  func crash(_ context: FaultContext = makeFaultContext()) {
    board.runFault {
      withUnsafePointer(to: context) { martlet_capture_fault($0) }
    }
  }

  /// The dump that NEXT offers behind `key`; `nil` when the board offers none.
  func next(after key: DumpKey = DumpKey(bootCount: 0, sequence: 0)) -> (
    key: DumpKey, length: UInt32
  )? {
    let answer = ask(.next) { Next(after: key).append(to: &$0) }
    return answer.last { $0.is(.offer) }.flatMap { frame in
      try? frame.payload.withUnsafeBytes {
        let offer = try Offer(decoding: $0)
        return (offer.key, offer.totalLength)
      }
    }
  }

  /// Fetches a whole dump; bytes that did not come are left out.
  func fetch(_ key: DumpKey, length: UInt32) -> [UInt8] {
    var frames = ask(.fetch) {
      Fetch(key: key, transfer: 1, offset: 0, length: length).append(to: &$0)
    }
    for _ in 0..<Int(length / 200) + 2 { frames += poll() }
    var bytes: [UInt8] = []
    for frame in frames where frame.is(.data) { bytes += frame.payload.dropFirst(4) }
    return bytes
  }

  /// Every dump that the board offers, as a bridge would get it.
  func fetchAll() -> [DumpKey: [UInt8]] {
    var dumps: [DumpKey: [UInt8]] = [:]
    var key = DumpKey(bootCount: 0, sequence: 0)
    while let offer = next(after: key), dumps.count < 65 {
      dumps[offer.key] = fetch(offer.key, length: offer.length)
      key = offer.key
    }
    return dumps
  }

  /// The dump in the clear, as the service opens it.
  func open(_ bytes: [UInt8]) throws -> [UInt8] {
    try SealedDump(bytes).open(
      with: authority.sealingKey, device: deviceID,
      devicePublicKey: .init(rawRepresentation: publicKey)
    ).bytes
  }

  /// What opens of a dump that was cut.
  func openWhatIsThere(_ bytes: [UInt8]) throws -> [UInt8] {
    try SealedDump(bytes).openWhatIsThere(
      with: authority.sealingKey, device: deviceID,
      devicePublicKey: .init(rawRepresentation: publicKey)
    ).bytes
  }

  /// Dumps in the clear; those that do not open without bytes.
  func opened(_ dumps: [DumpKey: [UInt8]]) -> [DumpKey: [UInt8]] {
    dumps.mapValues { (try? open($0)) ?? [] }
  }

  /// The dump as the service decodes it.
  func decode(_ bytes: [UInt8]) throws -> DecodedDump { try DecodedDump(bytes: open(bytes)) }

  /// Sends a receipt and returns how it ended.
  @discardableResult
  func receipt(_ key: DumpKey, _ verdict: ReceiptVerdict = .stored) -> DoneStatus? {
    let answer = ask(.receipt) { Receipt(key: key, verdict: verdict).append(to: &$0) }
    return answer.last { $0.is(.done) }.flatMap { frame in
      try? frame.payload.withUnsafeBytes { try Done(decoding: $0).status }
    }
  }

  /// Boots, gives a lease, crashes with `context`, boots again and returns the one dump.
  static func dump(
    of context: FaultContext, _ configuration: EmulatedBoard.Configuration = .small(),
    slotSize: UInt32 = 4096, setUp: (Bench) throws -> Void = { _ in }
  ) throws -> DecodedDump? {
    let bench = try Bench(configuration, slotSize: slotSize)
    bench.boot()
    bench.give()
    try setUp(bench)
    bench.crash(context)
    bench.boot()
    return try bench.fetchAll().first.map { try bench.decode($0.value) }
  }
}

extension EmulatedBoard.Configuration {
  /// A small part: the state in 5 sectors, then a ring of `ringSectors`.
  static func small(seed: UInt64 = 1, ringSectors: UInt32 = 8) -> EmulatedBoard.Configuration {
    var configuration = EmulatedBoard.Configuration(seed: seed)
    configuration.flash = FlashGeometry(
      size: (ringSectors + 5) * 4096, sectorSize: 4096, pageSize: 256, ringOffset: 5 * 4096,
      ringSize: ringSectors * 4096, stateOffset: 0, stateSize: 5 * 4096)
    configuration.toHostCapacity = 1 << 16
    return configuration
  }
}

extension InlineArray where Element == UInt8 {
  /// The elements as an array.
  var array: [UInt8] { indices.map { self[$0] } }
}
