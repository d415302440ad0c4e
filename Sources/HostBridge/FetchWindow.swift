// The host's window over a dump: which ranges are asked for and not answered yet.

import LinkProtocol

/// What is asked for of one dump. A clean line gets a dump of up to 64 KiB with a single FETCH; a hole
/// is asked for again as soon as a later answer shows it.
struct FetchWindow {
  /// Ranges that a board queues.
  static let depth = 4
  /// Bytes that are asked for and not answered at any time.
  static let mostOpen = 64 << 10

  /// Tells the answers of one window from those of another.
  private(set) var transfer: UInt8
  /// Times the window was asked for again: so many numbers before ``transfer`` are of this dump too.
  private var restarts: UInt8 = 0
  /// In the order in which they were asked for, which is the order in which answers come.
  private(set) var asked: [Range<Int>] = []
  /// Bytes of one DATA frame.
  private let content: Int
  /// Most bytes in one range.
  private var longestRange = Self.mostOpen

  /// - Parameter largestFrame: the agreed frame size, which DATA frames fill.
  init(transfer: UInt8, largestFrame: Int) {
    self.transfer = transfer
    content = max(1, largestFrame - FrameLimit.overhead - FrameLimit.dataPreamble)
  }

  /// Drops what is asked for, on the board too by the next request's new number.
  ///
  /// - Parameter longestRange: the most bytes to ask for at once from now on: a line that loses
  ///   windows is slow as a rule, and should come to other answers soon. At least one frame's worth.
  mutating func restart(longestRange: Int) {
    transfer &+= 1
    // Half the numbers at most, so that those of the dump before are never among them.
    restarts = min(restarts + 1, 127)
    asked = []
    self.longestRange = min(max(longestRange, content), Self.mostOpen)
  }

  /// Whether an answer belongs to this dump, be it late.
  func owns(transfer other: UInt8) -> Bool { transfer &- other <= restarts }

  /// The ranges to ask for now: holes first, at most ``depth`` open at any time.
  mutating func refill(missing: RangeSet<Int>) -> [Range<Int>] {
    var open = missing.subtracting(RangeSet(asked))
    var new: [Range<Int>] = []
    while asked.count < Self.depth, let first = open.ranges.first {
      let room = Self.mostOpen - asked.reduce(0) { $0 + $1.count }
      var length = min(first.count, longestRange)
      // What does not fit as a whole goes in quarters, so that one is on its way while the next is
      // asked for.
      if first.count > room {
        length = min(length, max(content, wholeFrames(Self.mostOpen / Self.depth)))
      }
      guard length <= room else { break }
      let range = first.lowerBound..<first.lowerBound + length
      asked.append(range)
      new.append(range)
      open.remove(contentsOf: range)
    }
    return new
  }

  private func wholeFrames(_ bytes: Int) -> Int { bytes / content * content }

  /// Takes note of an answer that covered `range`. Answers come in order: what was asked for before
  /// it, and has not come, will not come. It is asked for again by the next ``refill(missing:)``.
  mutating func answered(_ range: Range<Int>) {
    guard let index = asked.firstIndex(where: { $0.contains(range.lowerBound) }) else { return }
    let end = asked[index].upperBound
    asked.removeSubrange(...index)
    if range.upperBound < end { asked.insert(range.upperBound..<end, at: 0) }
  }
}
