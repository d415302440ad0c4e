// A board as docs/formats/link.md describes it, scripted by the test.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit

@testable import HostBridge

/// The board's end of the line. Feed it bytes, take what it says with ``step()``.
///
/// It looks at a lease's nonce alone: the genuine boot agent verifies signatures, where a test has one.
final class FakeBoard {
  var hello = Hello()
  var dumps: [DumpKey: [UInt8]] = [:]
  /// Its crash counts, in the order it tells them; `nil` for a board that knows no TALLY.
  var counts: [CrashCount]? = []
  /// What it answers to TALLY instead.
  var refusesTally: RefusalCode?
  /// What it was told about each dump, in order.
  private(set) var receipts: [(key: DumpKey, verdict: ReceiptVerdict)] = []
  /// Requests it saw, by type; repetitions count.
  private(set) var seen: [FrameType] = []
  private(set) var fetches: [Fetch] = []
  private(set) var started: StartReason?
  /// Bytes of DATA frames on the line, framing included.
  private(set) var dataBytes = 0
  private(set) var largestData = 0
  /// The application answers only when it polls the agent.
  var isDeaf = false
  /// What it says of every lease.
  var refusesLease: LeaseRefusal?
  /// It says that it accepts leases and does not.
  var ignoresLeases = false
  var answersReceipt = DoneStatus.done
  var refusesFetch: RefusalCode?
  /// Runs before a DATA frame goes out.
  var onData: (FakeBoard, Int) -> Void = { _, _ in }

  /// Its identity, once it is provisioned.
  var identity: SoftwareDevice?
  /// What it answers to PROVISION instead.
  var refusesProvision: RefusalCode?
  /// Its IDENTITY lacks a byte.
  var cutsIdentity = false
  /// Runs before it answers a request.
  var onSeen: (FakeBoard, FrameType) -> Void = { _, _ in }
  /// The PROVISION payloads that it saw.
  private(set) var provisions: [[UInt8]] = []

  private let inbox = FrameInbox(largestFrame: FrameLimit.initial)
  private var agreedFrame = FrameLimit.initial
  private var queue: [Fetch] = []
  private var output: [[UInt8]] = []
  private var nonces: UInt8 = 1

  init(device: UInt8 = 0xA5, bootCount: UInt32 = 7, lease: LeaseState = .none) {
    hello.deviceID = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { raw in
      raw.initializeMemory(as: UInt8.self, repeating: device)
      return raw.baseAddress.map { DeviceID(at: $0) } ?? DeviceID()
    }
    hello.bootCount = bootCount
    hello.largestFrame = 1_024
    hello.leaseState = lease
    hello.leaseSeconds = lease == .allowed ? 1_000 : 0
    freshNonce()
  }

  func freshNonce() {
    nonces &+= 1
    for i in 0..<LeaseNonce.count { hello.nonce.bytes[i] = nonces &+ UInt8(i) }
  }

  /// Starts again, as after a reset.
  func reboot(phase: BootPhase = .agent) {
    hello.bootCount += 1
    hello.phase = phase
    started = nil
    agreedFrame = FrameLimit.initial
    queue = []
    output = []
    freshNonce()
    sayHello()
  }

  func sayHello(sequence: UInt8 = 0) {
    hello.dumpsWaiting = UInt16(dumps.count)
    say(.hello, sequence) { [hello] in hello.append(to: &$0) }
  }

  func print(_ text: String) { output.append(Array(text.utf8)) }

  /// Puts bytes that are no frame on the line, whatever they say; none is zero.
  func print(bytes: [UInt8]) { output.append(bytes) }

  /// The application starts without the host's word.
  func start(_ reason: StartReason) {
    started = started ?? reason
    hello.phase = .application
    say(.starting, 0) { Starting(reason: reason).append(to: &$0) }
  }

  /// Everything that the board says next: what it owes, else one DATA frame, else nothing.
  func step() -> [UInt8]? {
    if !output.isEmpty { return output.removeFirst() }
    guard let fetch = queue.first else { return nil }
    sendData(fetch)
    return output.isEmpty ? nil : output.removeFirst()
  }

  func receive(_ bytes: [UInt8]) {
    guard !isDeaf else { return }
    for byte in bytes {
      if case .frame(let frame) = inbox.receive(byte) { answer(frame) }
    }
  }

  // MARK: - Requests

  private func answer(_ frame: Frame) {
    guard let type = FrameType(rawValue: frame.type) else { return }
    seen.append(type)
    onSeen(self, type)
    do {
      try answer(type, frame)
    } catch {
      refuse(frame, .malformed)
    }
  }

  private func answer(_ type: FrameType, _ frame: Frame) throws {
    switch type {
    case .who: sayHello(sequence: frame.sequence)
    case .welcome:
      agreedFrame = min(
        Int(hello.largestFrame), Int(try Welcome(decoding: frame.payload).largestFrame))
      sayHello(sequence: frame.sequence)
    case .lease: takeLease(Array(frame.payload), frame)
    case .next: try next(frame)
    case .fetch: try fetch(frame)
    case .receipt: try receipt(frame)
    case .tally: try tally(frame)
    case .provision: provision(frame)
    case .go:
      started = started ?? .hostSaidGo
      hello.phase = .application
      say(.starting, frame.sequence) { Starting(reason: .hostSaidGo).append(to: &$0) }
    default: break
    }
  }

  private func takeLease(_ lease: [UInt8], _ frame: Frame) {
    let content = lease.withUnsafeBytes { try? Lease(decoding: $0) }
    var refusal = LeaseRefusal.malformed
    if let content {
      refusal = LeaseNonce(content.nonce) == hello.nonce ? .accepted : .otherNonce
    }
    refusal = refusesLease ?? refusal
    if let content, refusal == .accepted, !ignoresLeases {
      hello.leaseState = content.isAllowed ? .allowed : .denied
      hello.leaseSeconds = content.lifetime
      freshNonce()
    }
    let status = LeaseStatus(
      state: hello.leaseState, refusal: refusal, secondsLeft: hello.leaseSeconds)
    say(.leaseStatus, frame.sequence) { status.append(to: &$0) }
  }

  private func next(_ frame: Frame) throws {
    let after = try Next(decoding: frame.payload).after
    guard hello.leaseState == .allowed else { return refuse(frame, .noLease) }
    guard let (key, dump) = dumps.filter({ $0.key > after }).min(by: { $0.key < $1.key }) else {
      return say(.none, frame.sequence) { _ in }
    }
    say(.offer, frame.sequence) { writer in
      dump.withUnsafeBytes { bytes in
        Offer(
          key: key, totalLength: UInt32(bytes.count),
          prologue: UnsafeRawBufferPointer(rebasing: bytes[..<DumpPrologue.size])
        ).append(to: &writer)
      }
    }
  }

  private func fetch(_ frame: Frame) throws {
    let fetch = try Fetch(decoding: frame.payload)
    fetches.append(fetch)
    if let refusesFetch { return refuse(frame, refusesFetch) }
    guard hello.leaseState == .allowed else { return refuse(frame, .noLease) }
    guard let dump = dumps[fetch.key] else { return refuse(frame, .noSuchDump) }
    guard fetch.length > 0, Int(fetch.offset) + Int(fetch.length) <= dump.count else {
      return refuse(frame, .outOfRange)
    }
    if queue.first?.transfer != fetch.transfer { queue = [] }
    guard queue.count < 4 else { return }
    queue.append(fetch)
  }

  private func sendData(_ fetch: Fetch) {
    guard let dump = dumps[fetch.key] else {
      queue.removeFirst()
      return
    }
    let offset = Int(fetch.offset)
    let room = agreedFrame - FrameLimit.overhead - FrameLimit.dataPreamble
    let count = min(Int(fetch.length), room)
    queue[0].offset += UInt32(count)
    queue[0].length -= UInt32(count)
    if queue[0].length == 0 { queue.removeFirst() }
    say(.data, 0) { writer in
      dump[offset..<offset + count].withUnsafeBytes { bytes in
        DataRun(transfer: fetch.transfer, offset: UInt32(offset), bytes: bytes).append(to: &writer)
      }
    }
    dataBytes += output.last?.count ?? 0
    largestData = max(largestData, count)
    onData(self, offset)
  }

  private func receipt(_ frame: Frame) throws {
    let receipt = try Receipt(decoding: frame.payload)
    receipts.append((receipt.key, receipt.verdict))
    var status = answersReceipt
    if status == .done {
      if dumps[receipt.key] == nil { status = .noSuchDump }
      if receipt.verdict != .notNow { dumps[receipt.key] = nil }
    }
    say(.done, frame.sequence) { Done(key: receipt.key, status: status).append(to: &$0) }
  }

  private func tally(_ frame: Frame) throws {
    guard let counts else { return refuse(frame, .unknownType) }
    let position = Int(try TallyRequest(decoding: frame.payload).position)
    if let refusesTally { return refuse(frame, refusesTally) }
    guard hello.leaseState == .allowed else { return refuse(frame, .noLease) }
    guard position < counts.count else { return say(.none, frame.sequence) { _ in } }
    var count = counts[position]
    if count.nextPosition == 0 { count.nextPosition = UInt16(position) + 1 }
    say(.count, frame.sequence) { [count] in count.append(to: &$0) }
  }

  private func provision(_ frame: Frame) {
    let request = Array(frame.payload)
    provisions.append(request)
    if let refusesProvision { return refuse(frame, refusesProvision) }
    let identity = identity ?? SoftwareDevice(seed: 77)
    guard let answer = identity.identity(answering: request) else {
      return refuse(frame, .malformed)
    }
    self.identity = identity
    identity.device.id.withUnsafeBytes {
      if let base = $0.baseAddress { hello.deviceID = DeviceID(at: base) }
    }
    let said = answer.dropLast(cutsIdentity ? 1 : 0)
    say(.identity, frame.sequence) { writer in said.withUnsafeBytes { writer.append($0) } }
  }

  private func refuse(_ frame: Frame, _ code: RefusalCode) {
    say(.refused, frame.sequence) { Refused(request: frame.type, code: code).append(to: &$0) }
  }

  private func say(_ type: FrameType, _ sequence: UInt8, _ payload: (inout FrameWriter) -> Void) {
    let room = FrameLimit.writing(FrameLimit.largest)
    output.append(
      [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        var frame = FrameWriter(
          type, sequence: sequence, into: UnsafeMutableRawBufferPointer(buffer))
        payload(&frame)
        count = frame.finish() ?? 0
      })
  }
}

extension LeaseNonce {
  init(_ bytes: InlineArray<16, UInt8>) {
    self.init()
    self.bytes = bytes
  }
}
