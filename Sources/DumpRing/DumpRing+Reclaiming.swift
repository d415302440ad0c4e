// Erase-ahead and eviction: how slots become ready before a crash needs one.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// The ready slot that was erased least often, or `nil` when none is ready.
  public func readySlot() -> Int? {
    var best: Int?
    for index in 0..<slotCount where table[index].state == .ready {
      if let best, table[index].eraseCount >= table[best].eraseCount { continue }
      best = index
    }
    return best
  }

  /// Has the slot that would be used next erased and proved anew.
  public func doubt() {
    if let ready = readySlot() { table[ready].state = .dirty }
  }

  /// Erase-ahead: makes a slot ready unless one is, and answers it. Takes one slot's erase time (45 ms
  /// typical per sector), again for each slot that turns out to be bad.
  ///
  /// - Parameter dumpsPerFingerprint: dumps of one fingerprint beyond which the rest is surplus.
  /// - Returns: `nil` when no slot can be used any more.
  public func makeReady(dumpsPerFingerprint: UInt8) -> Int? {
    while true {
      if let ready = readySlot() { return ready }
      // The dump in the only slot that is left stays until it is forwarded.
      guard let victim = chooseVictim(dumpsPerFingerprint),
        table[victim].state != .waiting || count(.waiting) > 1
      else { return nil }
      erase(victim)
    }
  }

  /// Programs a whole dump into a ready slot, in the order of a capture: header, body, commit, and the
  /// mark that the commit is done. Context: boot.
  ///
  /// - Parameters:
  ///   - dump: held against its checksums by the caller, and no longer than the slot takes.
  ///   - length: bytes, a multiple of 4.
  /// - Returns: whether flash took it; the slot is retired otherwise.
  public func store(_ dump: UnsafeRawPointer, length: UInt32, in index: Int) -> Bool {
    let start = offset(of: index)
    let prologue = UInt32(DumpPrologue.size)
    do throws(FlashError) {
      try Flash.write(start &+ SlotLayout.dump, dump, count: UInt32(DumpHeader.size))
      try Flash.write(
        start + SlotLayout.body, dump + DumpPrologue.size, count: length &- prologue)
      try Flash.write(
        start + SlotLayout.commit, dump + DumpHeader.size, count: UInt32(DumpCommit.size))
      try Flash.mark(start &+ SlotLayout.settledMark)
    } catch {
      retire(index)
      return false
    }
    mount(index)
    return true
  }

  /// Erases a slot, proves it and programs its ready mark; retires it when that fails twice.
  private func erase(_ index: Int) {
    var most: UInt32 = 0
    for other in 0..<slotCount {
      let count = table[other].eraseCount
      if count != Slot.unknownCount, count > most { most = count }
    }
    // A slot whose mark is gone counts as the most worn, so that it is not preferred by mistake.
    let before = table[index].eraseCount
    table[index] = Slot(state: .ready)
    table[index].eraseCount = before == Slot.unknownCount ? max(most, 1) : before &+ 1
    for _ in 0..<2 {
      do throws(FlashError) {
        try eraseOnce(index)
        return
      } catch {
        continue
      }
    }
    retire(index)
  }

  private func eraseOnce(_ index: Int) throws(FlashError) {
    let start = offset(of: index)
    var blank = InlineArray<16, UInt32>(repeating: .max)
    var at: UInt32 = 0
    while at < slotSize {
      if at & (sectorSize &- 1) == 0 {
        halWatchdogFeed()
        try Flash.erase(start &+ at)
      }
      let isBlank = try withUnsafePointer(to: &blank) { pointer throws(FlashError) in
        try Flash.compare(start &+ at, pointer, count: 64)
      }
      guard isBlank else { throw .failed }
      at &+= 64
    }
    blank[0] = SlotLayout.readyMagic.littleEndian
    blank[1] = SlotLayout.version(slotSize: slotSize).littleEndian
    blank[2] = table[index].eraseCount.littleEndian
    try withUnsafeMutablePointer(to: &blank) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      bytes.store32(Self.readyCRC(bytes), at: 12)
      try Flash.write(start, bytes, count: 16)
    }
  }

  /// Takes a slot out of use for good.
  func retire(_ index: Int) {
    var magic = SlotLayout.readyMagic.littleEndian
    do throws(FlashError) {
      try withUnsafePointer(to: &magic) { pointer throws(FlashError) in
        try Flash.program(offset(of: index), pointer, count: 4)
      }
    } catch {
      // Out of use until the next boot then, which finds out anew.
    }
    Self.retire(slot: offset(of: index))
    table[index].state = .retired
  }

  /// How readily a slot is given up; less is sooner.
  private func chooseVictim(_ dumpsPerFingerprint: UInt8) -> Int? {
    var best: Int?
    var bestRank: UInt32 = .max
    for index in 0..<slotCount where table[index].state.rawValue < SlotState.ready.rawValue {
      let rank = rank(of: index, dumpsPerFingerprint)
      if let best {
        if bestRank < rank { continue }
        if bestRank == rank {
          let isSooner =
            rank < 2
            ? table[index].eraseCount < table[best].eraseCount
            : table[index].key < table[best].key
          guard isSooner else { continue }
        }
      }
      best = index
      bestRank = rank
    }
    return best
  }

  /// 0 dirty, 1 released, 2 surplus of its fingerprint, 3 the rest, 4 the first of several.
  private func rank(of index: Int, _ dumpsPerFingerprint: UInt8) -> UInt32 {
    let slot = table[index]
    guard slot.state == .waiting else { return UInt32(slot.state.rawValue) }
    var same: UInt32 = 0
    var isFirst = true
    for other in 0..<slotCount where other != index {
      guard table[other].state == .waiting, table[other].fingerprint == slot.fingerprint else {
        continue
      }
      same &+= 1
      if table[other].key < slot.key { isFirst = false }
    }
    if isFirst { return same > 0 ? 4 : 3 }
    return same >= UInt32(dumpsPerFingerprint) ? 2 : 3
  }
}
