// The board's memory as a dump and its ELF file know it, for readers that think in addresses.

/// Memory by address: what the dump holds, then code and constants of the ELF file. What was
/// redacted or not kept is unknown, never zero.
public struct DumpMemory: Sendable {
  private struct Run: Sendable {
    var start: UInt64
    var bytes: ArraySlice<UInt8>
    var end: UInt64 { start + UInt64(bytes.count) }
  }

  /// In the order of their addresses, not overlapping.
  private let runs: [Run]

  public init(dump: DecodedDump, elf: ELFImage? = nil) {
    let kept = dump.memory.map { Run(start: UInt64($0.address), bytes: $0.bytes[...]) }
    let redacted = RedactedRuns(dump.redactions).ranges
    let known = Self.laidOut(kept)
    let holes = RedactedRuns.merged(known.map { $0.start..<$0.end } + redacted)
    let linked = (elf?.readOnlyRuns ?? []).map { Run(start: UInt64($0.address), bytes: $0.bytes) }
    runs =
      (Self.subtract(redacted, from: known) + Self.subtract(holes, from: Self.laidOut(linked)))
      .sorted { $0.start < $1.start }
  }

  /// The bytes from `address` on, up to `count` of them: fewer when the known ones end before, none
  /// when the first is not known.
  public func read(_ address: UInt32, count: Int) -> [UInt8] {
    var cursor = UInt64(address)
    let end = cursor + UInt64(max(0, count))
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].end <= cursor { low = middle + 1 } else { high = middle }
    }
    var result: [UInt8] = []
    while low < runs.count, cursor < end, runs[low].start <= cursor {
      let run = runs[low]
      let skip = Int(cursor - run.start)
      let take = min(run.bytes.count - skip, Int(end - cursor))
      result += run.bytes.dropFirst(skip).prefix(take)
      cursor += UInt64(take)
      low += 1
    }
    return result
  }

  /// The bytes from `address` on, up to `count` of them, `nil` where `redactions` hides one; ends at
  /// the first that is not known for another reason.
  public func read(
    _ address: UInt32, count: Int, marking redactions: RedactedRuns
  ) -> [UInt8?] {
    var result: [UInt8?] = []
    while result.count < count {
      let cursor = UInt64(address) + UInt64(result.count)
      guard cursor <= UInt64(UInt32.max) else { break }
      let known = read(UInt32(cursor), count: count - result.count)
      if !known.isEmpty {
        result += known
      } else if let end = redactions.end(from: cursor) {
        let length = min(end - cursor, UInt64(count - result.count))
        result += Array(repeating: nil, count: Int(length))
      } else {
        break
      }
    }
    return result
  }

  /// Sorts runs; where two overlap, the one that begins lower counts.
  private static func laidOut(_ runs: [Run]) -> [Run] {
    var result: [Run] = []
    var end: UInt64 = 0
    for run in runs.sorted(by: { $0.start < $1.start }) where run.end > end {
      var run = run
      if run.start < end {
        run.bytes = run.bytes.dropFirst(Int(end - run.start))
        run.start = end
      }
      end = run.end
      result.append(run)
    }
    return result
  }

  /// What is left of `runs` outside of `holes`; both in order and without overlaps.
  private static func subtract(_ holes: [Range<UInt64>], from runs: [Run]) -> [Run] {
    var result: [Run] = []
    var first = 0
    for run in runs {
      while first < holes.count, holes[first].upperBound <= run.start { first += 1 }
      var cursor = run.start
      var i = first
      while i < holes.count, holes[i].lowerBound < run.end {
        if holes[i].lowerBound > cursor { result.append(part(run, cursor..<holes[i].lowerBound)) }
        cursor = max(cursor, holes[i].upperBound)
        i += 1
      }
      if cursor < run.end { result.append(part(run, cursor..<run.end)) }
    }
    return result
  }

  private static func part(_ run: Run, _ range: Range<UInt64>) -> Run {
    let skip = Int(range.lowerBound - run.start)
    return Run(start: range.lowerBound, bytes: run.bytes.dropFirst(skip).prefix(range.count))
  }
}
