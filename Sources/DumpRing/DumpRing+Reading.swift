// What the boot agent reads from the ring: the dumps that wait, in the order of their keys.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// The waiting dump with the lowest key above `key`, or `nil` when none is left.
  public func next(after key: DumpKey) -> Slot? {
    var best: Slot?
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.state == .waiting, key < slot.key else { continue }
      if let found = best, found.key < slot.key { continue }
      best = slot
    }
    return best
  }

  /// The slot that holds the dump `key`, waiting or released.
  public func find(_ key: DumpKey) -> Slot? {
    for index in 0..<slotCount {
      let slot = slot(index)
      if slot.state == .waiting || slot.state == .released, slot.key == key { return slot }
    }
    return nil
  }

  /// How many dumps wait.
  public func countWaiting() -> UInt16 {
    var count: UInt16 = 0
    for index in 0..<slotCount where slot(index).state == .waiting { count += 1 }
    return count
  }

  /// Reads bytes of the dump in `slot`. The caller keeps `position + buffer.count` within the dump.
  ///
  /// - Parameter position: from the start of the dump.
  public func read(
    _ slot: Slot, at position: UInt32, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FlashError) {
    try Flash.read(offset(of: slot.index) + SlotLayout.dump + position, into: buffer)
  }

  /// Marks a dump as delivered or dropped: its slot may be reclaimed. Doing it twice does no harm.
  public func release(_ slot: Slot) throws(FlashError) {
    var mark: UInt64 = 0
    try withUnsafeBytes(of: &mark) { bytes throws(FlashError) in
      try Flash.program(offset(of: slot.index) + SlotLayout.releasedMark, bytes)
    }
  }

  /// Releases every waiting dump, as a denial of consent demands. Answers how many.
  public func releaseAll() throws(FlashError) -> UInt16 {
    var count: UInt16 = 0
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.state == .waiting else { continue }
      try release(slot)
      count += 1
    }
    return count
  }
}
