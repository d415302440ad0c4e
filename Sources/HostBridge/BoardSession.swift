// One board: its line, its conversation, and the work that the conversation asks for.

import DumpFormat
import Foundation
import LinkProtocol
import Logging
import SerialLink
import ServiceAPI

/// What the sessions of all boards share.
public struct BridgeParts: Sendable {
  public var spool: Spool
  public var service: any ServiceClient
  public var uploader: Uploader
  public var transport: any BoardTransport
  public var clock: BridgeClock
  public var log: Logger
  public var events: BridgeEventSink

  public init(
    spool: Spool, service: any ServiceClient, uploader: Uploader,
    transport: any BoardTransport = BoardLines(), clock: BridgeClock = .system,
    log: Logger = Logger(label: "bridge"), events: @escaping BridgeEventSink = { _ in }
  ) {
    self.spool = spool
    self.service = service
    self.uploader = uploader
    self.transport = transport
    self.clock = clock
    self.log = log
    self.events = events
  }
}

/// Keeps the line to one board open and the conversation going.
///
/// Bytes, answers and timers all enter here, so that the conversation sees one thing at a time; one
/// task alone writes to the line.
public actor BoardSession {
  /// Bytes that may wait for a line that does not take them. Requests beyond it are dropped: they
  /// are repeated anyway.
  static let mostUnsent = 64 << 10

  public nonisolated let address: BoardAddress
  let parts: BridgeParts
  let log: Logger
  let conversation: BoardConversation
  private let console: ConsoleSink
  private nonisolated let timer = Doorbell()
  /// Rung when something was attached: then there is no reason to wait.
  private nonisolated let retry = Doorbell()
  /// What the timer sleeps towards.
  private var armed: Duration?
  private var line: Line?
  /// When the line was last opened.
  private var openedAt: Duration?
  var device: String?
  /// The boot that was last announced in the log.
  var announcedBoot: UInt32?
  /// What was last said about the lease in the log.
  private var leaseWords = ""
  /// The service's latest word on consent over this connection.
  var consent: DeviceConsent?
  /// A lease is being asked for; a newer wish waits for it to end.
  var isAskingForLease = false
  var nextWish: LeaseWish?

  /// The open line: what goes to its writer and to its workers.
  private struct Line {
    let bytes: AsyncStream<[UInt8]>.Continuation
    let jobs: AsyncStream<Job>.Continuation
    var unsent = 0
  }

  /// Work that takes time, done beside the conversation.
  enum Job: Sendable {
    case lease(LeaseWish)
    case judge(DumpIdentity, DumpPrologue, [UInt8])
    case store(DumpIdentity, DumpPrologue, [UInt8])
    case keep(String, [CrashCount])
    case upload([DumpIdentity])
  }

  /// - Parameter console: takes the board's console text.
  public init(
    address: BoardAddress, parts: BridgeParts,
    settings: ConversationSettings = ConversationSettings(),
    console: @escaping ConsoleSink = { _ in }
  ) {
    self.address = address
    self.parts = parts
    var log = parts.log
    log[metadataKey: "board"] = "\(address)"
    self.log = log
    self.console = console
    var settings = settings
    // On a slow line a large frame keeps everything else waiting for seconds.
    if let baud = address.baud, baud < 115_200 { settings.largestFrame = 512 }
    conversation = BoardConversation(settings: settings)
  }

  // MARK: - The line

  /// Connects, and connects again, until the task is cancelled.
  public func run() async {
    let arrivals = parts.transport.arrivals(at: address)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { for await _ in arrivals { self.retry.ring() } }
      await connect()
      group.cancelAll()
    }
  }

  private func connect() async {
    var backoff = Backoff(base: .milliseconds(50), cap: .seconds(2))
    var generator = SystemRandomNumberGenerator()
    var lastWords: String?
    while !Task.isCancelled {
      openedAt = nil
      do {
        try await parts.transport.withConnection(to: address) { inbound, outbound in
          try await self.converse(inbound, outbound)
        }
        log.info("the line was closed; connecting again")
        lastWords = nil
      } catch is CancellationError {
        return
      } catch {
        // A line that is not there is tried many times a minute: say so once.
        let words = "\(error)"
        if words != lastWords {
          let isSentence = words.hasSuffix(".")
          log.notice("\(words)\(isSentence ? " Trying" : "; trying") again until it is there")
          emit(.boardUnavailable) { $0.reason = words }
        }
        lastWords = words
      }
      // A line that closes as soon as it is open is no better than one that does not open.
      if let openedAt, parts.clock.now - openedAt > backoff.cap { backoff.reset() }
      let delay = backoff.next(using: &generator)
      await retry.wait(until: parts.clock.now + delay, on: parts.clock)
    }
  }

  private func converse(_ inbound: BoardInbound, _ outbound: BoardOutbound) async throws {
    let (bytes, bytesIn) = AsyncStream.makeStream(of: [UInt8].self)
    let (jobs, jobsIn) = AsyncStream.makeStream(of: Job.self)
    line = Line(bytes: bytesIn, jobs: jobsIn)
    openedAt = parts.clock.now
    isAskingForLease = false
    nextWish = nil
    consent = nil
    log.info("connected")
    emit(.boardConnected)
    defer {
      line = nil
      bytesIn.finish()
      jobsIn.finish()
      perform(conversation.disconnected())
      emit(.boardDisconnected)
    }
    perform(conversation.connected(now: parts.clock.now))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for try await chunk in inbound { await self.receive(chunk) }
      }
      group.addTask {
        for await chunk in bytes {
          try await outbound.write(chunk)
          await self.wrote(chunk.count)
        }
      }
      group.addTask { await self.keepTime() }
      group.addTask {
        await withDiscardingTaskGroup { workers in
          for await job in jobs { workers.addTask { await self.work(on: job) } }
          workers.cancelAll()
        }
      }
      // The first to end, by the line's end or its failure, ends them all.
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func receive(_ chunk: [UInt8]) {
    perform(conversation.receive(chunk, now: parts.clock.now))
  }

  private func wrote(_ count: Int) { line?.unsent -= count }

  private func keepTime() async {
    while !Task.isCancelled {
      armed = conversation.nextDeadline
      await timer.wait(until: armed, on: parts.clock)
      perform(conversation.tick(now: parts.clock.now))
    }
  }

  /// Sends a line of console text to the board. What cannot be sent now is dropped.
  public func type(_ text: [UInt8]) {
    // A zero would look like the start of a frame.
    enqueue(text.filter { $0 != 0 })
  }

  private func enqueue(_ bytes: [UInt8]) {
    guard let line, line.unsent + bytes.count <= Self.mostUnsent else { return }
    self.line?.unsent += bytes.count
    line.bytes.yield(bytes)
  }

  // MARK: - What the conversation asks for

  /// Does what the conversation wants and wakes the timer when it is needed earlier than it thinks.
  func perform(_ actions: [ConversationAction]) {
    for action in actions {
      switch action {
      case .send(let bytes): enqueue(bytes)
      case .console(let text, let began): show(text, began: began)
      case .hello(let hello): note(hello)
      case .leaseWanted(let wish): ask(for: wish)
      case .notProvisioned: noteUnprovisioned()
      case .leaseKept(let isAllowed): noteKept(isAllowed: isAllowed)
      case .leaseAnswered(let status, let isAllowed): note(status, isAllowed: isAllowed)
      case .offered(let identity, let prologue, let bytes):
        emit(.dumpOffered, identity, prologue)
        line?.jobs.yield(.judge(identity, prologue, bytes))
      case .complete(let identity, let prologue, let bytes):
        line?.jobs.yield(.store(identity, prologue, bytes))
      case .uploadAwaited(let dumps):
        line?.jobs.yield(.upload(dumps))
      case .counted(let device, let counts):
        line?.jobs.yield(.keep(device, counts))
      case .starting(let reason):
        emit(.boardStarting) { $0.reason = "\(reason)" }
        log.info("the application starts: \(reason)")
      case .warning(let text): warn(text)
      }
    }
    guard let deadline = conversation.nextDeadline else { return }
    if armed.map({ deadline < $0 }) ?? true {
      armed = deadline
      timer.ring()
    }
  }

  private func ask(for wish: LeaseWish) {
    guard !isAskingForLease else {
      nextWish = wish
      return
    }
    isAskingForLease = true
    line?.jobs.yield(.lease(wish))
  }

  /// Logs how the lease stands, once for as long as it stands so.
  ///
  /// - Parameter again: what is said when it stands so already, at the same level; else it is for debugging.
  func logLease(_ words: String, again: String? = nil, level: Logger.Level) {
    let isNews = words != leaseWords
    log.log(level: isNews || again != nil ? level : .debug, "\(isNews ? words : again ?? words)")
    leaseWords = words
  }

  private func show(_ text: [UInt8], began: Duration) {
    let time = Date()
    let age = max(.zero, parts.clock.now - began)
    console(
      ConsoleText(bytes: text, began: time.addingTimeInterval(-(age / .seconds(1))), time: time))
    emit(.console) { $0.text = String(decoding: text, as: UTF8.self) }
  }
}
