// What a board must, may and must not hold at any moment of its life, whatever the power does.

import BoardHAL
import DumpAnalysis
import DumpFormat
import MartletTestKit

/// What a dump has to hold.
struct Expected {
  var kind: CrashKind
  var context: FaultContext?
  var stack: [UInt8]

  /// The name under which such crashes are counted.
  var fingerprint: Fingerprint { Fingerprint(kind: kind, context: context) }
}

/// What a power cut must not bring about, counted.
struct CutFindings: CustomStringConvertible, Sendable {
  /// Committed, not released, not evicted by rule, and not offered; or counted and forgotten.
  var lost: [String] = []
  /// Offered and damaged, or not what was captured; or counted and never crashed.
  var bogus: [String] = []
  /// Offered after the board had said that it was released.
  var resurrected: [String] = []
  /// The board does not answer, or captures nothing any more.
  var unmountable: [String] = []

  var isClean: Bool {
    lost.isEmpty && bogus.isEmpty && resurrected.isEmpty && unmountable.isEmpty
  }
  var description: String {
    "lost \(lost) bogus \(bogus) resurrected \(resurrected) unmountable \(unmountable)"
  }
}

/// The account of one board.
struct CutAccount {
  /// Dumps of one fingerprint that the lease asks to keep.
  let limit: UInt32
  /// Committed for certain and to be kept.
  var kept: [DumpKey: Expected] = [:]
  /// Under way when the power went, or up for eviction: may be there, but only whole.
  var possible: [DumpKey: Expected] = [:]
  /// The host had them released when the power went: they may stay or go at any later boot.
  var leaving: Set<DumpKey> = []
  /// DONE has been said.
  var released: Set<DumpKey> = []
  /// Fewest and most crashes that each count may show.
  var tallies: [Fingerprint: ClosedRange<UInt32>] = [:]
  /// Records that need not be counted as crashes, but may.
  var uncounted: [Fingerprint: UInt32] = [:]
  var bootCounts: Set<UInt32> = []
  /// Left behind in RAM: stored by the next boot unless the power goes.
  private var inRAM: [DumpKey: Expected] = [:]
  /// Whether something was captured since the ring was last listed: a boot may then evict.
  private var hasCaptured = false

  init(limit: UInt32, tallies: [Fingerprint: UInt32] = [:]) {
    self.limit = limit
    self.tallies = tallies.mapValues { $0...$0 }
  }

  // MARK: - Crashes

  /// A crash begins: from here on the power may go.
  mutating func crashBegins(_ key: DumpKey, _ expected: Expected) {
    hasCaptured = true
    let before = tallies[expected.fingerprint] ?? 0...0
    if before.lowerBound < limit { possible[key] = expected }
    tallies[expected.fingerprint] = before.lowerBound...before.upperBound + 1
  }

  /// The crash ended with power on.
  mutating func crashEnded(_ key: DumpKey, _ expected: Expected) {
    guard let range = tallies[expected.fingerprint] else { return }
    tallies[expected.fingerprint] = range.lowerBound + 1...range.upperBound
    if range.upperBound <= limit { kept[key] = possible.removeValue(forKey: key) }
  }

  /// A reset leaves something behind that the next boot stores as a dump.
  mutating func leftBehind(_ key: DumpKey, _ expected: Expected) {
    hasCaptured = true
    inRAM[key] = expected
    for context in [expected.context, nil] {
      uncounted[Fingerprint(kind: expected.kind, context: context), default: 0] += 1
    }
  }

  // MARK: - Boots

  /// A boot begins: reclaiming may take those that the rule takes first.
  mutating func bootBegins() {
    guard hasCaptured else { return }
    for key in inOrderOfEviction().prefix(2) { possible[key] = kept.removeValue(forKey: key) }
  }

  /// The boot ended, with power on or by losing it.
  mutating func bootEnded(withPower: Bool) {
    if withPower {
      kept.merge(inRAM) { a, _ in a }
    } else {
      possible.merge(inRAM) { a, _ in a }
    }
    inRAM = [:]
  }

  /// The board offers `held` and no more, after a boot that ended with power on.
  mutating func listed(_ held: Set<DumpKey>) {
    for (key, expected) in possible where held.contains(key) { kept[key] = expected }
    possible = [:]
    hasCaptured = false
  }

  /// The keys that must be kept, in the order in which docs/formats/ring.md gives them up.
  private func inOrderOfEviction() -> [DumpKey] {
    var rest = kept.keys.sorted()
    var order: [DumpKey] = []
    func mark(_ key: DumpKey) -> Fingerprint? { kept[key]?.fingerprint }
    while !rest.isEmpty {
      let surplus = rest.first { key in
        let same = rest.filter { mark($0) == mark(key) }
        return same.count > Int(limit) && same.first != key
      }
      let single = rest.first { key in
        let same = rest.filter { mark($0) == mark(key) }
        return same.count == 1 || same.first != key
      }
      let victim = surplus ?? single ?? rest[0]
      order.append(victim)
      rest.removeAll { $0 == victim }
    }
    return order
  }

  // MARK: - Judging

  /// Holds dumps that the board offered, in the clear, against the account. Those that do not open have
  /// no bytes.
  func judge(_ dumps: [DumpKey: [UInt8]], _ findings: inout CutFindings) {
    for (key, bytes) in dumps {
      let name = "\(key.bootCount).\(key.sequence)"
      if released.contains(key) { findings.resurrected.append(name) }
      guard let dump = try? DecodedDump(bytes: bytes), dump.header.key == key else {
        findings.bogus.append("\(name) damaged")
        continue
      }
      guard let expected = kept[key] ?? possible[key] else {
        if !released.contains(key) { findings.bogus.append("\(name) never captured") }
        continue
      }
      let stack = dump.memory.filter { $0.role == 1 }.flatMap(\.bytes)
      if dump.header.kind != expected.kind || dump.core?.pc != expected.context?.pc
        || dump.core?.r[4] != expected.context?.r.4 || stack != expected.stack
      {
        findings.bogus.append("\(name) holds something else")
      }
    }
    for key in kept.keys where dumps[key] == nil {
      findings.lost.append("\(key.bootCount).\(key.sequence)")
    }
  }

  /// Holds the board's counts against the account.
  func judge(_ counts: [Tally], boot: UInt32, _ findings: inout CutFindings) {
    var seen: Set<Fingerprint> = []
    for count in counts {
      let name = "count \(count.fingerprint.rawValue)"
      if !seen.insert(count.fingerprint).inserted { findings.bogus.append("\(name) twice") }
      let range = tallies[count.fingerprint] ?? 0...(uncounted[count.fingerprint] ?? 0)
      if count.crashes < range.lowerBound {
        findings.lost.append("\(name) is \(count.crashes) of \(range)")
      }
      if count.crashes == 0 { findings.bogus.append("\(name) counts nothing") }
      if count.crashes > range.upperBound {
        findings.bogus.append("\(name) is \(count.crashes) of \(range)")
      }
      if count.firstBoot > count.lastBoot || count.lastBoot > boot {
        findings.bogus.append("\(name) from boot \(count.firstBoot) to \(count.lastBoot)")
      }
    }
    for (fingerprint, range) in tallies where range.lowerBound > 0 && !seen.contains(fingerprint) {
      findings.lost.append("count \(fingerprint.rawValue) of \(range)")
    }
  }
}
