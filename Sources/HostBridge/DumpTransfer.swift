// One dump on its way from the board: what has arrived and what is missing.

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
