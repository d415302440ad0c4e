// Requests that the board has not answered yet, and when to repeat them.

import LinkProtocol

/// A request on its way.
struct PendingRequest {
  let type: FrameType
  let frame: [UInt8]
  let firstSent: Duration
  var attempts = 1
  var deadline: Duration

  /// The wait for the first answer.
  static let firstWait: Duration = .milliseconds(200)
  /// The longest wait for one.
  static let longestWait: Duration = .seconds(1)
  /// When a board is taken for silent.
  static let patience: Duration = .seconds(15)

  init(type: FrameType, frame: [UInt8], now: Duration) {
    self.type = type
    self.frame = frame
    firstSent = now
    deadline = now + Self.firstWait
  }

  mutating func repeated(now: Duration) {
    deadline = now + min(Self.longestWait, Self.firstWait * (1 << min(attempts, 10)))
    attempts += 1
  }
}

/// At most a handful of requests, by sequence. FETCH is not among them: its window has a timer of
/// its own.
struct RequestTable {
  private(set) var pending: [UInt8: PendingRequest] = [:]
  private var last: UInt8 = 0

  var nextDeadline: Duration? { pending.values.map(\.deadline).min() }

  /// A number for a new request: never 0, which is the number of what a board says unasked.
  mutating func nextSequence() -> UInt8 {
    repeat {
      last &+= 1
    } while last == 0 || pending[last] != nil
    return last
  }

  mutating func add(_ request: PendingRequest, sequence: UInt8) { pending[sequence] = request }

  /// Takes out the request that an answer belongs to, if it is of one of `types`.
  mutating func take(_ sequence: UInt8, _ types: FrameType...) -> PendingRequest? {
    guard let request = pending[sequence], types.contains(request.type) else { return nil }
    return pending.removeValue(forKey: sequence)
  }

  mutating func remove(_ type: FrameType) { pending = pending.filter { $0.value.type != type } }

  mutating func removeAll() { pending = [:] }

  func contains(_ type: FrameType) -> Bool { pending.values.contains { $0.type == type } }

  /// Numbers of the requests whose answer is overdue, oldest first.
  func overdue(now: Duration) -> [UInt8] {
    pending.filter { $0.value.deadline <= now }.sorted { $0.value.firstSent < $1.value.firstSent }
      .map(\.key)
  }

  mutating func markRepeated(_ sequence: UInt8, now: Duration) {
    pending[sequence]?.repeated(now: now)
  }
}

/// When a window of FETCHes is taken for lost.
struct FetchTimer {
  static let shortestWait: Duration = .milliseconds(200)
  static let longestWait: Duration = .seconds(5)
  /// Without a single new byte for this long the board is taken for silent.
  static let patience: Duration = .seconds(30)
  /// Doublings of the wait while nothing comes. Few: on a line that loses much, waiting longer does
  /// not help, and what comes late is welcome all the same.
  private static let mostDoublings = 3

  private(set) var deadline = Duration.zero
  private(set) var lastProgress = Duration.zero
  /// The last answer, if nothing was asked for again since: a pause that ends with a lost window says
  /// nothing about the line's speed.
  private var lastAnswer: Duration?
  /// The longest recent pause between two answers: what a slow line needs for one.
  private var pace = Duration.zero
  private var strikes = 0

  /// A transfer begins.
  mutating func start(now: Duration) {
    lastAnswer = nil
    lastProgress = now
    strikes = 0
    set(now: now)
  }

  /// DATA arrived.
  mutating func answered(now: Duration, isNew: Bool) {
    if let lastAnswer { pace = max(now - lastAnswer, pace * 7 / 8) }
    lastAnswer = now
    if isNew {
      lastProgress = now
      strikes = 0
    }
    set(now: now)
  }

  /// The window was asked for again.
  mutating func struck(now: Duration) {
    strikes += 1
    lastAnswer = nil
    set(now: now)
  }

  private mutating func set(now: Duration) {
    let wait = (Self.shortestWait + pace * 2) * (1 << min(strikes, Self.mostDoublings))
    deadline = now + min(Self.longestWait, wait)
  }
}
