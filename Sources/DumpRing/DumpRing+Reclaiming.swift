// Erase-ahead and eviction: how slots become ready before a crash needs one.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// Slots that the boot agent keeps ready as long as no waiting dump has to give way for the second.
  public static let readyAhead: UInt32 = 2

  /// The ready slot that was erased least often, or `nil` when none is ready.
  public func readySlot() -> Slot? {
    var best: Slot?
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.state == .ready else { continue }
      if let found = best, (found.eraseCount ?? 0) <= (slot.eraseCount ?? 0) { continue }
      best = slot
    }
    return best
  }

  /// Does one step of erase-ahead: when fewer than ``readyAhead`` slots are ready, erases one and
  /// marks it ready. A step takes one slot's erase time at most (45 ms typical per sector).
  ///
  /// - Parameter dumpsPerFingerprint: dumps of one fingerprint beyond which the rest is surplus.
  /// - Returns: whether there was something to do; call again until there is not.
  public func reclaimOne(dumpsPerFingerprint: UInt8) throws(FlashError) -> Bool {
    var ready: UInt32 = 0
    var mostErased: UInt32 = 0
    for index in 0..<slotCount {
      let slot = slot(index)
      if slot.state == .ready { ready += 1 }
      if let count = slot.eraseCount, count > mostErased { mostErased = count }
    }
    // A waiting dump gives way only when the next crash would find no slot at all.
    guard ready < Self.readyAhead,
      let victim = chooseVictim(dumpsPerFingerprint: dumpsPerFingerprint),
      ready == 0 || victim.state != .waiting
    else { return false }
    // A slot whose mark is gone counts as the most worn, so that it is not preferred by mistake.
    let before = victim.eraseCount ?? (mostErased > 0 ? mostErased - 1 : 0)
    try makeReady(victim.index, eraseCount: before &+ 1)
    return true
  }

  /// Erases a slot and programs its ready mark.
  func makeReady(_ index: UInt32, eraseCount: UInt32) throws(FlashError) {
    let start = offset(of: index)
    var sector = start
    while sector < start + slotSize {
      try Flash.erase(sector)
      sector += sectorSize
    }
    var mark = InlineArray<4, UInt32>(repeating: 0)
    mark[0] = SlotLayout.readyMagic.littleEndian
    mark[1] = SlotLayout.version(slotSize: slotSize).littleEndian
    mark[2] = eraseCount.littleEndian
    let crc = withUnsafeBytes(of: &mark) { bytes in
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[0..<12]))
    }
    mark[3] = crc.littleEndian
    try withUnsafeBytes(of: &mark) { bytes throws(FlashError) in
      try Flash.program(start + SlotLayout.readyMark, bytes)
    }
  }

  /// How readily a slot is given up; less is sooner.
  private enum Rank: UInt8 {
    case dirty
    case released
    case surplus
    case repeated
    case first
  }

  private func chooseVictim(dumpsPerFingerprint: UInt8) -> Slot? {
    var best: Slot?
    var bestRank = Rank.first
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.state != .ready else { continue }
      let rank = rank(of: slot, dumpsPerFingerprint: dumpsPerFingerprint)
      if let found = best {
        if bestRank.rawValue < rank.rawValue { continue }
        if bestRank == rank, !isSooner(slot, than: found, rank: rank) { continue }
      }
      best = slot
      bestRank = rank
    }
    return best
  }

  private func isSooner(_ a: Slot, than b: Slot, rank: Rank) -> Bool {
    switch rank {
    case .dirty, .released: (a.eraseCount ?? .max) < (b.eraseCount ?? .max)
    case .surplus, .repeated, .first: a.key < b.key
    }
  }

  private func rank(of slot: Slot, dumpsPerFingerprint: UInt8) -> Rank {
    switch slot.state {
    case .dirty, .ready: return .dirty
    case .released: return .released
    case .waiting: break
    }
    var same: UInt32 = 0
    var hasEarlier = false
    for index in 0..<slotCount where index != slot.index {
      let other = self.slot(index)
      guard other.state == .waiting, other.fingerprint == slot.fingerprint else { continue }
      same += 1
      if other.key < slot.key { hasEarlier = true }
    }
    if !hasEarlier { return same > 0 ? .first : .repeated }
    return same + 1 > UInt32(dumpsPerFingerprint) ? .surplus : .repeated
  }
}
