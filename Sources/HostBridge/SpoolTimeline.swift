// The spool's own time, by which dumps grow old, whatever the machine's clock does.

/// Seconds that the spool has existed, as far as that can be known.
///
/// While the process runs, the steady clock alone counts: the wall clock may jump as it likes. Over a
/// restart the wall clock is all there is, so its word is weighed:
///
/// - Up to a day that passed since the last save is believed at once.
/// - More than a day, or a time before the last save, is doubted: it may be a long absence or a
///   clock that is wrong until the network sets it. Time goes on as if the process had not been away.
///   The doubt ends when the clock comes to say something believable, or when it has gone a whole day
///   of running without a jump: then it is taken at its word.
///
/// A jump thus never makes anything old at once. After a long absence dumps leave a day late, in which
/// the uploader had its chance.
struct SpoolTimeline: Sendable {
  /// What is written down, and read again by the next process.
  struct Saved: Equatable, Sendable {
    /// Seconds of the spool.
    var time: Double
    /// What the wall clock said at that time, or would have said by the steady clock while it was in
    /// doubt. Seconds since 1970.
    var wall: Double
  }

  /// An absence that is believed without proof, and how long a clock has to go steadily to be
  /// believed anything. Seconds.
  static let day = 86_400.0
  /// A change of the wall clock against the steady one that is a jump and not its regulation. Seconds.
  static let jump = 60.0

  private(set) var saved: Saved
  private var uptime: Double
  private var doubt: Doubt?

  private struct Doubt {
    /// How far the wall clock was ahead of what it should say.
    var gap: Double
    /// The steady clock when the wall clock last jumped.
    var steadySince: Double
  }

  /// - Parameters:
  ///   - saved: what the last process wrote down; `nil` in a new spool.
  ///   - wall: seconds since 1970.
  ///   - uptime: seconds of the steady clock.
  init(saved: Saved?, wall: Double, uptime: Double) {
    self.uptime = uptime
    self.saved = saved ?? Saved(time: 0, wall: wall)
    let gap = wall - self.saved.wall
    if Self.isBelievable(gap) {
      believe(gap, wall: wall)
    } else {
      doubt = Doubt(gap: gap, steadySince: uptime)
    }
  }

  /// Whether the wall clock's word about the time away is not believed yet.
  var isInDoubt: Bool { doubt != nil }

  /// Lets time pass. Returns the spool's time, seconds; it never goes back.
  mutating func read(wall: Double, uptime now: Double) -> Double {
    let elapsed = max(0, now - uptime)
    uptime = max(uptime, now)
    saved.time += elapsed
    guard let before = doubt else {
      saved.wall = wall
      return saved.time
    }
    saved.wall += elapsed
    let gap = wall - saved.wall
    if Self.isBelievable(gap) || now - before.steadySince >= Self.day && !isJump(gap, before) {
      believe(gap, wall: wall)
    } else if isJump(gap, before) {
      doubt = Doubt(gap: gap, steadySince: now)
    }
    return saved.time
  }

  private mutating func believe(_ gap: Double, wall: Double) {
    saved.time += max(0, gap)
    saved.wall = wall
    doubt = nil
  }

  private func isJump(_ gap: Double, _ doubt: Doubt) -> Bool { abs(gap - doubt.gap) > Self.jump }

  private static func isBelievable(_ gap: Double) -> Bool { -jump...day ~= gap }
}
