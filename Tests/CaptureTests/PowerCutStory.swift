// A board's life with everything that writes flash, told once whole and then cut short everywhere.

import BoardHAL
import BootAgent
import CrashCapture
import DumpFormat
import MartletTestKit

/// One life: leases, crashes of every storing kind, crashes beyond what is kept of one fingerprint,
/// receipts, reclaiming, a ring that runs over and, in the end, a denial. Its account says what the
/// board must still hold.
final class PowerCutStory {
  let bench: Bench
  private(set) var account: CutAccount
  /// The cut points at which captures and releases end: their commits and marks.
  private(set) var ends: [Int] = []
  private var lastBoot: UInt32 = 0
  private var crashes: UInt32 = 0
  private var epoch: UInt32 = 1
  private var recoveries: UInt32 = 0

  /// What the leases of the story ask to keep of one fingerprint.
  private static let limit: UInt8 = 2

  /// - Parameter flash: where the life begins; `nil`: a blank part.
  init(seed: UInt64, flash: PreparedFlash? = nil) throws {
    bench = try Bench(.small(seed: seed, ringSectors: PreparedFlash.ringSectors))
    account = CutAccount(limit: UInt32(Self.limit), tallies: flash?.crashes ?? [:])
    if let flash { try bench.board.setNor(at: 0, to: flash.image) }
  }

  var isOff: Bool { bench.board.state == .off }

  /// Tells the story to its end, or until the power goes.
  func tell() {
    guard boot(), lease() else { return }
    guard crash() else { return }
    // Two dumps, one delivered.
    guard boot(), crash(pc: 0x2000) else { return }
    guard boot(), deliverOldest() else { return }
    // A dump that lies in retained RAM until the next boot stores it.
    guard crashInCrash(), boot() else { return }
    guard crash() else { return }
    guard boot(), deliverOldest(), watchdogBites() else { return }
    guard boot(), deliverOldest(), deliverOldest() else { return }
    // More than the ring holds, and more of one crash than is kept: the last of the same are counted.
    for pc in [0x2000, 0x2000, 0x2000, 0x2400, 0x2800, 0x2C00, 0x2000] as [UInt32] {
      guard crash(pc: pc), boot() else { return }
    }
    // Denial drops everything.
    deny()
  }

  // MARK: - Steps; each answers whether the board still has power

  private func boot() -> Bool {
    account.bootBegins()
    bench.boot()
    account.bootEnded(withPower: !isOff)
    guard !isOff else { return false }
    lastBoot = bench.agent?.bootCount ?? 0
    account.bootCounts.insert(lastBoot)
    // Without a lease the board offers nothing, and lists nothing.
    guard epoch > 1 || !account.kept.isEmpty || !account.possible.isEmpty else { return true }
    guard let keys = waitingKeys() else { return false }
    account.listed(keys)
    return true
  }

  private func lease() -> Bool {
    bench.give(epoch: epoch, dumpsPerFingerprint: Self.limit)
    return !isOff
  }

  /// Puts another stack in place and makes the context of the next crash.
  private func nextCrash(_ pc: UInt32?, flags: UInt32 = 0) -> (FaultContext, [UInt8]) {
    crashes += 1
    let number = crashes
    let sp: UInt32 = 0x2000_FF00
    let stack = (0..<256).map { UInt8(truncatingIfNeeded: UInt32($0) &* 31 &+ number &* 7) }
    try? bench.board.setMemory(at: sp, to: stack)
    let context = makeFaultContext(pc: pc ?? 0x1000 + number * 16, sp: sp) {
      $0.r.4 = number
      $0.flags |= flags
    }
    return (context, stack)
  }

  private func crash(pc: UInt32? = nil) -> Bool {
    let (context, stack) = nextCrash(pc)
    let key = DumpKey(bootCount: lastBoot, sequence: 1)
    let expected = Expected(kind: .usageFault, context: context, stack: stack)
    account.crashBegins(key, expected)
    bench.crash(context)
    noteEnd(40)
    if !isOff { account.crashEnded(key, expected) }
    return !isOff
  }

  private func crashInCrash() -> Bool {
    let (context, _) = nextCrash(nil, flags: UInt32(MARTLET_CONTEXT_NESTED))
    bench.crash(context)
    guard !isOff else { return false }
    account.leftBehind(
      DumpKey(bootCount: lastBoot, sequence: 1),
      Expected(kind: .nestedFault, context: context, stack: []))
    return true
  }

  private func watchdogBites() -> Bool {
    bench.board.run { _ = halWatchdogStart(timeoutMilliseconds: 100, warningMilliseconds: 0) }
    bench.board.advance(by: .milliseconds(101))
    account.leftBehind(
      DumpKey(bootCount: lastBoot, sequence: 2), Expected(kind: .watchdogReset, stack: []))
    return !isOff
  }

  private func deliverOldest() -> Bool {
    guard let offer = bench.next() else { return !isOff }
    account.possible[offer.key] = account.kept.removeValue(forKey: offer.key)
    account.leaving.insert(offer.key)
    let status = bench.receipt(offer.key)
    noteEnd(8)
    if status == .done, !isOff {
      account.possible[offer.key] = nil
      account.released.insert(offer.key)
    }
    return !isOff
  }

  private func noteEnd(_ points: Int) {
    let last = bench.board.cutPoints
    ends += max(1, last - points + 1)...last
  }

  private func deny() {
    account.possible.merge(account.kept) { a, _ in a }
    account.leaving.formUnion(account.kept.keys)
    account.kept = [:]
    epoch += 1
    bench.give(allowed: false, epoch: epoch)
  }

  /// The keys of all dumps that the board offers; `nil` when the power went meanwhile.
  private func waitingKeys() -> Set<DumpKey>? {
    var keys: Set<DumpKey> = []
    var key = DumpKey(bootCount: 0, sequence: 0)
    while let offer = bench.next(after: key), keys.count < 65 {
      keys.insert(offer.key)
      key = offer.key
    }
    return isOff ? nil : keys
  }

  // MARK: - After the cut

  /// Powers on and boots, holds what the board offers and counts against the account, and captures
  /// once more. Ends early, without a judgement of the step under way, when the power goes again.
  func recover() -> CutFindings {
    var findings = CutFindings()
    _ = recover(&findings)
    return findings
  }

  private func recover(_ findings: inout CutFindings) -> Bool {
    account.bootBegins()
    bench.bootCold()
    account.bootEnded(withPower: false)
    guard !isOff else { return false }
    lastBoot = bench.agent?.bootCount ?? 0
    if !account.bootCounts.insert(lastBoot).inserted || lastBoot == 0 {
      findings.unmountable.append("boot count \(lastBoot) again")
    }
    recoveries += 1
    let status = bench.give(epoch: epoch, dumpsPerFingerprint: Self.limit)
    guard !isOff else { return false }
    guard status?.state == .allowed else {
      findings.unmountable.append("no lease")
      return true
    }
    let first = bench.fetchAll()
    guard !isOff else { return false }
    account.judge(bench.opened(first), &findings)
    account.listed(Set(first.keys))
    // The same again: what was offered once stays until it is released.
    bench.reboot()
    guard !isOff else { return false }
    let boot = bench.agent?.bootCount ?? 0
    account.bootCounts.insert(boot)
    let second = bench.fetchAll()
    guard !isOff else { return false }
    for key in account.leaving { account.possible[key] = account.kept.removeValue(forKey: key) }
    account.judge(bench.opened(second), &findings)
    account.listed(Set(second.keys))
    guard let counts = bench.tallies() else {
      if !isOff { findings.unmountable.append("no counts") }
      return !isOff
    }
    account.judge(counts, boot: boot, &findings)
    lastBoot = boot
    return captureOnceMore(&findings)
  }

  private func captureOnceMore(_ findings: inout CutFindings) -> Bool {
    let key = DumpKey(bootCount: lastBoot, sequence: 1)
    guard crash(pc: 0x3000 + 16 * recoveries) else { return false }
    account.bootBegins()
    bench.boot()
    account.bootEnded(withPower: !isOff)
    guard !isOff else { return false }
    lastBoot = bench.agent?.bootCount ?? 0
    account.bootCounts.insert(lastBoot)
    let after = bench.fetchAll()
    guard !isOff else { return false }
    account.judge(bench.opened(after), &findings)
    account.listed(Set(after.keys))
    if after[key] == nil { findings.unmountable.append("captured nothing afterwards") }
    return true
  }
}
