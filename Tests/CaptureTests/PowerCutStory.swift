// A board's life with everything that writes flash, told once whole and then cut short everywhere.

import BoardHAL
import BootAgent
import CrashCapture
import DumpAnalysis
import DumpFormat
import DumpRing
import MartletTestKit

/// What a dump has to hold.
struct Expected {
  var kind: CrashKind
  var context: FaultContext?
  var stack: [UInt8]
}

/// What a power cut must not bring about, counted.
struct CutFindings: CustomStringConvertible {
  /// Committed, not released, not evicted by rule, and not offered.
  var lost: [String] = []
  /// Offered and damaged, or not what was captured.
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

/// One life: leases, crashes of every storing kind, receipts, reclaiming and, in the end, a ring that
/// runs over. It keeps account of what the board must still hold.
final class PowerCutStory {
  let bench: Bench
  /// Committed for certain and to be kept.
  private(set) var kept: [DumpKey: Expected] = [:]
  /// Under way when the power went: may be there, but only whole.
  private(set) var possible: [DumpKey: Expected] = [:]
  /// The host had them released when the power went: they may stay or go at any later boot.
  private(set) var leaving: Set<DumpKey> = []
  /// DONE has been said.
  private(set) var released: Set<DumpKey> = []
  /// The cut points at which captures and releases end: their commits and marks.
  private(set) var ends: [Int] = []
  private var bootCounts: [UInt32] = []
  private var crashes: UInt32 = 0

  static let slotCount: UInt32 = 6
  /// The story's boot counter starts this many boots before it changes sectors.
  private static let bootsBeforeHandover = 3

  init(seed: UInt64) throws {
    bench = try Bench(.small(seed: seed, ringSectors: Self.slotCount))
    try fillBootCounter()
  }

  private var isOff: Bool { bench.board.state == .off }

  /// Tells the story to its end, or until the power goes.
  func tell() throws {
    guard try boot() else { return }
    guard lease() else { return }
    guard crash() else { return }
    // Two dumps, one delivered.
    guard try boot(), crash(pc: 0x2000) else { return }
    guard try boot(), deliverOldest() else { return }
    // A dump that lies in retained RAM until the next boot stores it.
    guard crash(nested: true), try boot() else { return }
    guard crash() else { return }
    guard try boot(), deliverOldest(), watchdogBites() else { return }
    guard try boot(watchdogRecord: true), deliverOldest(), deliverOldest() else { return }
    // More than the ring holds: three of one fingerprint, then others.
    for pc in [0x2000, 0x2000, 0x2000, 0x2400, 0x2800, 0x2C00] as [UInt32] {
      guard crash(pc: pc) else { return }
      guard try boot() else { return }
    }
    // Denial drops everything.
    deny()
  }

  // MARK: - Steps; each answers whether the board still has power

  private func fillBootCounter() throws {
    let bits = (4096 - 16) * 8 - Self.bootsBeforeHandover
    var sector = [UInt8](repeating: 0xFF, count: 4096)
    sector.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      base.store32(0x3154_424D, at: 0)
      base.store32(1000, at: 4)
      base.store32(CRC32C.checksum(UnsafeRawBufferPointer(start: base, count: 8)), at: 8)
      for bit in 0..<bits { raw[16 + bit / 8] &= ~(1 << UInt8(bit % 8)) }
    }
    try bench.board.setNor(at: 0, to: sector)
  }

  private func boot(watchdogRecord: Bool = false) throws -> Bool {
    let before = waitingInOrderOfEviction()
    bench.boot()
    if isOff {
      // Reclaiming may have taken those that the rule takes first.
      for key in before.prefix(2) { possible[key] = kept.removeValue(forKey: key) }
      return false
    }
    bootCounts.append(bench.agent?.bootCount ?? 0)
    for (key, expected) in possible { kept[key] = expected }
    possible = [:]
    if watchdogRecord, let last = bootCounts.dropLast().last {
      kept[DumpKey(bootCount: last, sequence: 2)] = Expected(kind: .watchdogReset, stack: [])
    }
    let held = Set(ringKeys())
    for key in before.prefix(2) where !held.contains(key) { kept[key] = nil }
    return true
  }

  private func lease() -> Bool {
    bench.give(dumpsPerFingerprint: 2)
    return !isOff
  }

  private func crash(pc: UInt32? = nil, nested: Bool = false) -> Bool {
    crashes += 1
    let sp: UInt32 = 0x2000_FF00
    let stack = (0..<256).map { UInt8(truncatingIfNeeded: UInt32($0) &* 31 &+ crashes &* 7) }
    try? bench.board.setMemory(at: sp, to: stack)
    let number = crashes
    let context = makeFaultContext(pc: pc ?? 0x1000 + number * 16, sp: sp) {
      $0.r.4 = number
      if nested { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) }
    }
    let key = DumpKey(bootCount: bootCounts.last ?? 0, sequence: 1)
    let expected = Expected(
      kind: nested ? .nestedFault : .usageFault, context: context, stack: nested ? [] : stack)
    possible[key] = expected
    bench.crash(context)
    noteEnd(40)
    guard !isOff else {
      // What lay in retained RAM is gone with the power.
      if nested { possible[key] = nil }
      return false
    }
    if !nested { kept[key] = possible.removeValue(forKey: key) }
    return true
  }

  private func watchdogBites() -> Bool {
    bench.board.run { _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 0) }
    bench.board.advance(by: .milliseconds(101))
    if let last = bootCounts.last {
      possible[DumpKey(bootCount: last, sequence: 2)] = Expected(kind: .watchdogReset, stack: [])
    }
    return !isOff
  }

  private func deliverOldest() -> Bool {
    guard let offer = bench.next() else { return !isOff }
    possible[offer.key] = kept.removeValue(forKey: offer.key)
    leaving.insert(offer.key)
    let status = bench.receipt(offer.key)
    noteEnd(8)
    if status == .done, !isOff {
      possible[offer.key] = nil
      released.insert(offer.key)
    }
    return !isOff
  }

  private func noteEnd(_ points: Int) {
    let last = bench.board.cutPoints
    ends += max(1, last - points + 1)...last
  }

  private func deny() {
    possible.merge(kept) { a, _ in a }
    leaving.formUnion(kept.keys)
    kept = [:]
    bench.give(allowed: false, epoch: 2)
  }

  private func ringKeys() -> [DumpKey] {
    bench.board.run {
      var keys: [DumpKey] = []
      var key = DumpKey(bootCount: 0, sequence: 0)
      guard let ring = DumpRing(geometry: halFlashGeometry(), slotSize: bench.slotSize) else {
        return keys
      }
      while let slot = ring.next(after: key) {
        keys.append(slot.key)
        key = slot.key
      }
      return keys
    }
  }

  /// The keys that must be kept, in the order in which docs/formats/ring.md gives them up.
  private func waitingInOrderOfEviction() -> [DumpKey] {
    var rest = kept.keys.sorted()
    var order: [DumpKey] = []
    func mark(_ key: DumpKey) -> UInt32? { kept[key]?.context?.pc }
    while !rest.isEmpty {
      let surplus = rest.first { key in
        let same = rest.filter { mark($0) == mark(key) }
        return same.count > 2 && same.first != key
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

  // MARK: - After the cut

  /// Powers on, boots and holds what the board offers against the account.
  func verify() -> CutFindings {
    var findings = CutFindings()
    let board = bench.board
    board.injectPowerCut(at: 0, torn: .untouched)
    let evictable = Set(waitingInOrderOfEviction().prefix(2))
    bench.bootCold()
    let cold = bench.agent?.bootCount ?? 0
    if bootCounts.contains(cold) || cold == 0 {
      findings.unmountable.append("boot count \(cold) again")
    }
    guard bench.give(epoch: 3)?.state == .allowed else {
      findings.unmountable.append("no lease")
      return findings
    }
    let first = bench.fetchAll()
    judge(first, &findings)
    for key in kept.keys where first[key] == nil && !evictable.contains(key) {
      findings.lost.append("\(key.bootCount).\(key.sequence)")
    }
    // The same again: what was offered once stays until it is released.
    bench.reboot()
    let second = bench.fetchAll()
    judge(second, &findings)
    for key in first.keys where second[key] == nil && !leaving.contains(key) {
      findings.lost.append("\(key.bootCount).\(key.sequence) at the second boot")
    }
    captureOnceMore(&findings)
    return findings
  }

  private func judge(_ dumps: [DumpKey: [UInt8]], _ findings: inout CutFindings) {
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
      if dump.header.kind != expected.kind || dump.core?.pc != expected.context?.pc
        || dump.core?.r[4] != expected.context?.r.4
        || dump.memory.flatMap(\.bytes) != expected.stack
      {
        findings.bogus.append("\(name) holds something else")
      }
    }
  }

  private func captureOnceMore(_ findings: inout CutFindings) {
    guard let boot = bench.agent?.bootCount else { return }
    _ = crash(pc: 0x3F00)
    bench.boot()
    let key = DumpKey(bootCount: boot, sequence: 1)
    guard let offer = bench.next(after: DumpKey(bootCount: boot, sequence: 0)), offer.key == key,
      let dump = try? DecodedDump(bytes: bench.fetch(key, length: offer.length)),
      dump.core?.pc == 0x3F00, dump.memory.first?.bytes.count == 256
    else {
      findings.unmountable.append("captured nothing afterwards")
      return
    }
  }
}
