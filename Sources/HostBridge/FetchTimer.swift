// When answers that do not come are taken for lost, by what the line has shown so far.

/// Watches the DATA of a transfer. Times are on the caller's time line.
struct FetchTimer {
  /// The wait on a line that has not shown its pace.
  static let firstWait: Duration = .milliseconds(200)
  /// What every wait has beyond the pace: the host's own delays.
  static let slack: Duration = .milliseconds(20)
  static let longestWait: Duration = .seconds(5)
  /// Without a single new byte for this long the board is taken for silent.
  static let patience: Duration = .seconds(30)
  /// A check that comes so much too late found the host asleep: the answer may lie in its buffers.
  static let lateness: Duration = .milliseconds(5)
  /// Doublings of the wait while nothing comes. Few: on a line that loses much, waiting longer does
  /// not help, and what comes late is welcome all the same.
  private static let mostDoublings = 3

  private(set) var deadline = Duration.zero
  private(set) var lastProgress = Duration.zero
  /// The longest recent pause between a question and its answer, or between two answers: what the
  /// line needs for one. `nil` before the first.
  private(set) var pace: Duration?
  /// The last question or answer, if nothing was taken for lost since.
  private var lastSign: Duration?
  /// The same before the window was asked for again.
  private var signBeforeStrike: Duration?
  private var strikes = 0
  private var isExcused = false
  /// What arrived, and in what time, lately.
  private var bytes = 0
  private var time = Duration.zero

  /// A transfer begins: the first FETCH goes out.
  mutating func start(now: Duration) {
    lastSign = now
    signBeforeStrike = nil
    lastProgress = now
    strikes = 0
    set(now: now)
  }

  /// DATA arrived.
  ///
  /// - Parameters:
  ///   - isNew: any of its bytes was missing.
  ///   - isLate: it answers what was asked for before the last strike, which was too early then.
  mutating func answered(now: Duration, bytes count: Int, isNew: Bool, isLate: Bool) {
    if let lastSign {
      note(pause: now - lastSign)
      bytes += count
      time += now - lastSign
      if time > .seconds(2) {
        bytes /= 2
        time /= 2
      }
    } else if isLate, let signBeforeStrike {
      note(pause: now - signBeforeStrike)
    }
    signBeforeStrike = nil
    lastSign = now
    if isNew {
      lastProgress = now
      strikes = 0
    }
    set(now: now)
  }

  /// The window was asked for again: the pause that led to it says nothing about the pace, unless a
  /// late answer ends it.
  mutating func struck(now: Duration) {
    strikes += 1
    signBeforeStrike = signBeforeStrike ?? lastSign
    lastSign = nil
    set(now: now)
  }

  /// Whether what is open is lost. A check that comes late gives answers that wait in the host's own
  /// buffers a moment to be read.
  mutating func isOver(now: Duration) -> Bool {
    guard now >= deadline else { return false }
    guard now - deadline > Self.lateness, !isExcused else { return true }
    isExcused = true
    deadline = now + Self.lateness
    return false
  }

  /// Bytes that the line brings in `span`, as far as it has shown.
  func bytes(in span: Duration) -> Int? {
    time > .zero ? Int(Double(bytes) * (span / time)) : nil
  }

  private mutating func note(pause: Duration) {
    pace = max(pause, (pace ?? .zero) * 7 / 8)
  }

  private mutating func set(now: Duration) {
    let wait = pace.map { Self.slack + $0 * 2 } ?? Self.firstWait
    deadline = now + min(Self.longestWait, wait * (1 << min(strikes, Self.mostDoublings)))
    isExcused = false
  }
}
