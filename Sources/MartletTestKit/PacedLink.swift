// The line between an emulated board and a host, in virtual time: rate, latency, loss.

/// The host's end of a ``PacedLink``. All times are on the link's time line.
public protocol LinkHost: AnyObject {
  /// When ``wake(at:)`` is due; `nil` when nothing but bytes matters.
  var nextDeadline: Duration? { get }
  /// The time of ``nextDeadline`` has come.
  func wake(at now: Duration)
  /// Bytes have arrived.
  func receive(_ bytes: [UInt8], at now: Duration)
}

/// A serial line on which device code, unchanged, meets a host, and no time passes but the line's own.
///
/// Device code runs inside ``run(_:)``. Whenever it uses its UART, what has become due happens at the
/// host's end, at the exact time it was due: bytes arrive, timers end, answers set out. A UART that is
/// full lets a byte's time pass; a board that finds nothing to read lets ever longer pieces pass, up to
/// the next thing that happens. The time line goes on over the board's resets.
public final class PacedLink {
  /// What the line is like.
  public struct Settings: Sendable {
    /// Bits a second each way; 10 make a byte.
    public var baud: UInt32 = 1_000_000
    /// Bytes of each FIFO of the board's UART.
    public var fifo: UInt32 = 16
    /// Time that a byte takes beside its own, each way: the poll interval of a USB adapter.
    public var latency: Duration = .milliseconds(1)
    /// Probability that a frame is lost, each way.
    public var frameLoss = 0.0
    /// What else befalls the bytes, millisecond by millisecond.
    public var faults: FaultyLink.Faults?
    /// Everything that is left to chance follows from it.
    public var seed: UInt64 = 1

    public init() {}
  }

  private struct Packet {
    var at: Duration
    var bytes: [UInt8]
  }

  private struct Event {
    var at: Duration
    var number: Int
    var body: () -> Void
  }

  /// One direction: what is under way, and what befalls it.
  private struct Way {
    var loss: FrameLoss
    var faults: FaultyLink?
    /// What the next tick takes when there are faults.
    var gathered: [UInt8] = []
    var packets: [Packet] = []
    var count = 0

    init(_ settings: Settings, _ generator: inout SeededGenerator) {
      loss = FrameLoss(rate: settings.frameLoss, generator: generator.split())
      let chance = generator.split()
      faults = settings.faults.map { FaultyLink(faults: $0, generator: chance) }
    }

    var isQuiet: Bool { gathered.isEmpty && (faults?.inFlight ?? 0) == 0 }

    mutating func take(_ bytes: [UInt8], at time: Duration) {
      count += bytes.count
      let left = loss.pass(bytes)
      guard !left.isEmpty else { return }
      if faults == nil {
        packets.append(Packet(at: time, bytes: left))
      } else {
        gathered += left
      }
    }

    mutating func tick(at time: Duration) {
      faults?.send(gathered)
      gathered = []
      faults?.advance()
      let arrived = faults?.receive() ?? []
      if !arrived.isEmpty { packets.append(Packet(at: time, bytes: arrived)) }
    }

    mutating func clear() {
      gathered = []
      packets = []
      faults?.disconnect()
    }
  }

  /// How long an idle board waits before it looks again, at most.
  private static let longestNap: Duration = .milliseconds(5)
  private static let shortestNap: Duration = .microseconds(2)
  private static let tick: Duration = .milliseconds(1)

  public let board: EmulatedBoard
  public let settings: Settings
  public weak var host: (any LinkHost)?
  /// The time. During an event at the host's end it is that of the event.
  public private(set) var now = Duration.zero
  /// Whether bytes pass at all.
  public var isConnected = true {
    didSet {
      guard !isConnected else { return }
      toHost.clear()
      toBoard.clear()
    }
  }
  private var toHost: Way
  private var toBoard: Way
  private var events: [Event] = []
  private var eventCount = 0
  /// The link's time at which the board started.
  private var start = Duration.zero
  private var nextTick: Duration?
  private var nap = PacedLink.shortestNap
  /// When the last byte that was sent to the board is there.
  private var incomingUntil = Duration.zero
  private var isActing = false
  /// What ``nextEvent`` was when it was last worked out; `nil` when something has changed since.
  private var knownEvent: Duration??
  private var trigger: (count: Int, body: () -> Void)?

  /// Paces the board's line; give the link its ``host`` next.
  public init(board: EmulatedBoard, settings: Settings = Settings()) {
    self.board = board
    self.settings = settings
    var generator = SeededGenerator(seed: settings.seed)
    toHost = Way(settings, &generator)
    toBoard = Way(settings, &generator)
    board.setLineCapacity(toHost: 1 << 16, toBoard: 1 << 16)
    board.setBaud(settings.baud, fifo: settings.fifo)
  }

  /// What a byte takes on the line.
  private var byteTime: Duration { .nanoseconds(10_000_000_000 / Int64(settings.baud)) }
  private var halfFifoTime: Duration { byteTime * Int(max(1, settings.fifo / 2)) }

  /// Bytes that the board has put on the line.
  public var bytesToHost: Int { toHost.count }
  /// Bytes that the host has put on the line.
  public var bytesToBoard: Int { toBoard.count }
  /// Frames that ``Settings/frameLoss`` has lost, both ways.
  public var lostFrames: Int { toHost.loss.lost + toBoard.loss.lost }

  /// Runs device code on the board, with the line in action.
  public func run<Result>(_ body: () -> Result) -> Result {
    board.run { board.withSerialHandler({ self.used($0, $1) }) { body() } }
  }

  /// The board was started anew, so its clock begins at 0 and its UART is empty.
  public func restarted() {
    start = now
    nap = Self.shortestNap
  }

  /// Puts the host's bytes on the line.
  public func send(_ bytes: [UInt8]) {
    guard isConnected, !bytes.isEmpty else { return }
    knownEvent = nil
    toBoard.take(bytes, at: now + settings.latency)
    startTicking()
    countDown(bytes.count)
  }

  /// Lets something happen at the host's end.
  public func at(_ time: Duration, _ body: @escaping () -> Void) {
    knownEvent = nil
    eventCount += 1
    events.append(Event(at: max(time, now), number: eventCount, body: body))
  }

  /// Lets something happen when so many more bytes have passed, both ways together; the last request
  /// counts.
  public func after(bytes count: Int, _ body: @escaping () -> Void) { trigger = (count, body) }

  // MARK: - Time

  /// The board has used its UART.
  private func used(_ wrote: Bool, _ count: Int) {
    guard !isActing else { return }
    isActing = true
    defer { isActing = false }
    catchUp()
    if wrote {
      nap = Self.shortestNap
      // Full: it looks again when half of it is through, so the line never idles.
      if count == 0 { pass(halfFifoTime) }
    } else if count > 0 {
      nap = Self.shortestNap
    } else {
      let left = nextEvent.map { max($0 - now, Self.shortestNap) } ?? nap
      // While bytes come in it does not sleep through more than the FIFO holds.
      pass(min(nap, left, now < incomingUntil ? halfFifoTime : nap))
      nap = min(nap * 2, Self.longestNap)
    }
  }

  private func pass(_ time: Duration) {
    board.advance(by: max(time, .microseconds(1)))
    catchUp()
  }

  /// Takes what the board has sent by now, and does what has become due.
  private func catchUp() {
    // A board that is not running has no time; its reset is dealt with by whoever caused it.
    guard board.state == .running else { return }
    let present = start + .microseconds(Int64(board.clock))
    collect(at: present)
    while let due = nextEvent, due <= present {
      now = max(now, due)
      act()
      guard board.state == .running else { return }
      collect(at: present)
    }
    now = max(now, present)
  }

  private func collect(at present: Duration) {
    let bytes = board.receive()
    guard !bytes.isEmpty, isConnected else { return }
    knownEvent = nil
    toHost.take(bytes, at: present + settings.latency)
    startTicking()
    countDown(bytes.count)
  }

  private func startTicking() {
    guard settings.faults != nil, nextTick == nil else { return }
    nextTick = now + Self.tick
  }

  private func countDown(_ bytes: Int) {
    guard let trigger else { return }
    guard trigger.count > bytes else {
      self.trigger = nil
      at(now, trigger.body)
      return
    }
    self.trigger = (trigger.count - bytes, trigger.body)
  }

  // MARK: - Events

  /// When something happens next at the host's end or arrives at the board's.
  private var nextEvent: Duration? {
    if let knownEvent { return knownEvent }
    let next = [
      toHost.packets.first?.at, toBoard.packets.first?.at, nextTick, host?.nextDeadline,
      events.map(\.at).min(),
    ].compactMap { $0 }.min()
    knownEvent = .some(next)
    return next
  }

  /// Does everything that is due now.
  private func act() {
    defer { knownEvent = nil }
    if let tick = nextTick, tick <= now {
      toHost.tick(at: now)
      toBoard.tick(at: now)
      nextTick = toHost.isQuiet && toBoard.isQuiet ? nil : now + Self.tick
    }
    while let packet = toBoard.packets.first, packet.at <= now {
      toBoard.packets.removeFirst()
      board.send(packet.bytes)
      incomingUntil = max(now, incomingUntil) + byteTime * packet.bytes.count
    }
    var arrived: [UInt8] = []
    while let packet = toHost.packets.first, packet.at <= now {
      arrived += packet.bytes
      toHost.packets.removeFirst()
    }
    if !arrived.isEmpty { host?.receive(arrived, at: now) }
    while let index = events.indices.filter({ events[$0].at <= now }).min(by: {
      (events[$0].at, events[$0].number) < (events[$1].at, events[$1].number)
    }) {
      events.remove(at: index).body()
    }
    if let host, let due = host.nextDeadline, due <= now { host.wake(at: now) }
  }
}
