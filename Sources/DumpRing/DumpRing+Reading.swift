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

  /// The slot that holds the dump `key`, waiting or released; the waiting one where both are.
  public func find(_ key: DumpKey) -> Slot? {
    var released: Slot?
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.key == key else { continue }
      if slot.state == .waiting { return slot }
      if slot.state == .released { released = slot }
    }
    return released
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
    try Flash.mark(offset(of: slot.index) + SlotLayout.releasedMark)
  }

  /// Releases every waiting dump, as a denial of consent demands. One that flash does not let go is
  /// left and the others are released all the same.
  public func releaseAll() {
    for index in 0..<slotCount {
      let slot = slot(index)
      guard slot.state == .waiting else { continue }
      do throws(FlashError) {
        try release(slot)
      } catch {
        continue
      }
    }
  }
}
