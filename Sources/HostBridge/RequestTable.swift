// Requests that the board has not answered yet, and when to repeat them.

import DumpFormat
import LinkProtocol

/// A request on its way.
struct PendingRequest {
  let type: FrameType
  /// The dump that it is about, where several requests of its type may be out.
  let key: DumpKey?
  let frame: [UInt8]
  let firstSent: Duration
  /// The wait for the first answer.
  let firstWait: Duration
  var attempts = 1
  var deadline: Duration

  /// The wait for an answer that the board computes: two key exchanges, or one and a signature.
  static let thinkingTime: Duration = .milliseconds(600)
  /// The longest wait for an answer.
  static let longestWait: Duration = .seconds(1)
  /// When a board is taken for silent.
  static let patience: Duration = .seconds(15)

  init(type: FrameType, key: DumpKey? = nil, frame: [UInt8], wait: Duration, now: Duration) {
    self.type = type
    self.key = key
    self.frame = frame
    firstSent = now
    firstWait = wait
    deadline = now + wait
  }

  mutating func repeated(now: Duration) {
    deadline = now + min(Self.longestWait, firstWait * (1 << min(attempts, 10)))
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

  /// Takes out the request of a type that is about `key`; with `nil` the one about no dump.
  mutating func remove(_ type: FrameType, about key: DumpKey?) {
    pending = pending.filter { $0.value.type != type || $0.value.key != key }
  }

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
