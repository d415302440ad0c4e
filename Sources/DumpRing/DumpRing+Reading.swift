// What the boot agent reads from the ring: the dumps that wait, in the order of their keys.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// The slot of the waiting dump with the lowest key above `key`; `nil` when none is left.
  ///
  /// A dump is held against its checksum before it is handed out for the first time: one that fails
  /// is ended for good, and when its capture had come to its end the slot is retired, because it does
  /// not keep what it is told. Throws when flash cannot be read.
  public func next(after key: DumpKey) throws(FlashError) -> Int? {
    while true {
      var best: Int?
      for index in 0..<slotCount {
        guard table[index].state == .waiting, key < table[index].key else { continue }
        if let best, table[best].key < table[index].key { continue }
        best = index
      }
      guard let best, try !isWhole(best) else { return best }
    }
  }

  /// The slot that holds the dump `key`, waiting or released; the waiting one where both are.
  public func find(_ key: DumpKey) -> Int? {
    var found: Int?
    for index in 0..<slotCount {
      let state = table[index].state
      guard state == .waiting || state == .released, table[index].key == key else { continue }
      if state == .waiting { return index }
      found = index
    }
    return found
  }

  /// The highest boot count of any dump; 0 when there is none.
  public var lastBoot: UInt32 {
    var last: UInt32 = 0
    for index in 0..<slotCount { last = max(last, table[index].key.bootCount) }
    return last
  }

  /// How many slots are in a state.
  public func count(_ state: SlotState) -> Int {
    var count = 0
    for index in 0..<slotCount where table[index].state == state { count &+= 1 }
    return count
  }

  /// Reads bytes of the dump in slot `index`. The caller keeps `position + count` within the dump.
  ///
  /// - Parameter position: from the start of the dump.
  public func read(
    _ index: Int, at position: UInt32, _ buffer: UnsafeMutableRawPointer, count: UInt32
  ) throws(FlashError) {
    try Flash.read(offset(of: index) &+ SlotLayout.dump &+ position, buffer, count: count)
  }

  /// Marks a dump as delivered or dropped: its slot may be reclaimed. Doing it twice does no harm.
  public func release(_ index: Int) throws(FlashError) {
    try Flash.mark(offset(of: index) &+ SlotLayout.releasedMark)
    table[index].state = .released
  }

  /// Releases every waiting dump, as a denial of consent demands, or all that were taken under another
  /// consent. One that flash does not let go is left and the others are released all the same.
  ///
  /// - Parameter kept: the consent epoch whose dumps stay; `nil` when none does.
  public func releaseAll(butOf kept: UInt32? = nil) {
    for index in 0..<slotCount where table[index].state == .waiting {
      if let kept, kept == consentEpoch(of: index) { continue }
      do throws(FlashError) {
        try release(index)
      } catch {
        continue
      }
    }
  }

  /// The consent epoch under which a dump was taken; `nil` when flash cannot be read.
  private func consentEpoch(of index: Int) -> UInt32? {
    var epoch: UInt32 = 0
    do throws(FlashError) {
      try withUnsafeMutablePointer(to: &epoch) { pointer throws(FlashError) in
        try read(index, at: UInt32(PrologueLayout.consentEpoch), pointer, count: 4)
      }
      return epoch.littleEndian
    } catch {
      return nil
    }
  }

  /// Proves a dump by its body, once in its life, and makes a commit that a cut may have left undecided
  /// stable.
  private func isWhole(_ index: Int) throws(FlashError) -> Bool {
    guard !table[index].isVerified else { return true }
    let start = offset(of: index)
    var commit = InlineArray<8, UInt32>(repeating: 0)
    let isWhole = try withUnsafeMutablePointer(to: &commit) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      try Flash.read(start &+ SlotLayout.commit, bytes, count: UInt32(DumpCommit.size))
      guard PrologueLayout.isCommit(bytes), try bodyCRC(index) == bytes.load32(at: 4) else {
        return false
      }
      if !table[index].isSettled {
        try Flash.program(start &+ SlotLayout.commit, bytes, count: UInt32(DumpCommit.size))
        try Flash.mark(start &+ SlotLayout.settledMark)
      }
      return true
    }
    if isWhole {
      Self.mark(start &+ SlotLayout.verifiedMark)
      table[index].isVerified = true
      return true
    }
    Self.mark(start &+ SlotLayout.commitEnd)
    if table[index].isSettled { retire(index) } else { table[index].state = .dirty }
    return false
  }

  private func bodyCRC(_ index: Int) throws(FlashError) -> UInt32 {
    var crc = CRC32C()
    var chunk = InlineArray<16, UInt32>(repeating: 0)
    var position = UInt32(DumpPrologue.size)
    let length = table[index].dumpLength
    while position < length {
      halWatchdogFeed()
      let run = min(length &- position, 64)
      try withUnsafeMutablePointer(to: &chunk) { pointer throws(FlashError) in
        try read(index, at: position, pointer, count: run)
        crc.update(pointer, count: Int(run))
      }
      position &+= run
    }
    return crc.value
  }
}
