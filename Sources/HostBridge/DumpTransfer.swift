// One dump on its way from the board: what has arrived, what is asked for, what is missing.

import DumpFormat
import LinkProtocol

/// A dump of which parts have arrived. It outlives connections.
struct PartialDump {
  let identity: DumpIdentity
  /// The prologue that the board offered; another one means another dump.
  let prologue: [UInt8]
  /// All bytes; those in ``missing`` are zero.
  private(set) var bytes: [UInt8]
  private(set) var missing: RangeSet<Int>

  /// - Parameter totalLength: at least the prologue's 128 bytes.
  init(identity: DumpIdentity, prologue: [UInt8], totalLength: Int) {
    self.identity = identity
    self.prologue = prologue
    bytes = prologue + [UInt8](repeating: 0, count: totalLength - prologue.count)
    missing = RangeSet(prologue.count..<totalLength)
  }

  var isComplete: Bool { missing.isEmpty }

  /// Puts bytes where they belong. Returns whether any was missing before.
  mutating func fill(_ run: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    let range = offset..<offset + run.count
    // What lies outside the dump, or is known already, stays as it is.
    let wanted = missing.intersection(RangeSet(range))
    for piece in wanted.ranges {
      let source = run[piece.lowerBound - offset..<piece.upperBound - offset]
      bytes.replaceSubrange(piece, with: source)
    }
    missing.subtract(wanted)
    return !wanted.isEmpty
  }
}

/// The host's window over a partial dump: which ranges are asked for and not answered yet.
struct FetchWindow {
  /// Ranges that a board queues.
  static let depth = 4

  /// Tells the answers of one window from those of another.
  private(set) var transfer: UInt8
  /// Times the window was asked for again: so many numbers before ``transfer`` are of this dump too.
  private var restarts: UInt8 = 0
  /// In the order in which they were asked for, which is the order in which answers come.
  private(set) var asked: [Range<Int>] = []
  /// Most bytes in one range.
  private let rangeLength: Int

  /// - Parameter largestFrame: the agreed frame size, which DATA frames fill.
  init(transfer: UInt8, largestFrame: Int) {
    self.transfer = transfer
    let content = max(1, largestFrame - FrameLimit.overhead - FrameLimit.dataPreamble)
    // A few frames, so that requests cost little; not more than some KiB, so that a slow line
    // comes to other answers soon.
    rangeLength = content * max(1, min(4, 4_096 / content))
  }

  /// Drops what is asked for, on the board too by the next request's new number.
  mutating func restart() {
    transfer &+= 1
    // Half the numbers at most, so that those of the dump before are never among them.
    restarts = min(restarts + 1, 127)
    asked = []
  }

  /// Whether an answer belongs to this dump, be it late.
  func owns(transfer other: UInt8) -> Bool { transfer &- other <= restarts }

  /// The ranges to ask for now: holes first, at most ``depth`` open at any time.
  mutating func refill(missing: RangeSet<Int>) -> [Range<Int>] {
    var open = missing.subtracting(RangeSet(asked))
    var new: [Range<Int>] = []
    while asked.count < Self.depth, let first = open.ranges.first {
      let range = first.prefix(rangeLength)
      asked.append(range)
      new.append(range)
      open.remove(contentsOf: range)
    }
    return new
  }

  /// Takes note of an answer that covered `range`. Answers come in order: what was asked for before
  /// it, and has not come, will not come.
  mutating func answered(_ range: Range<Int>) {
    guard let index = asked.firstIndex(where: { $0.contains(range.lowerBound) }) else { return }
    let isDone = range.upperBound >= asked[index].upperBound
    asked.removeSubrange(..<(isDone ? index + 1 : index))
  }
}

extension Range<Int> {
  /// The first `length` elements at most.
  fileprivate func prefix(_ length: Int) -> Range<Int> {
    lowerBound..<Swift.min(upperBound, lowerBound + length)
  }
}
