// What a power cut left undecided in the ring is decided, once, before anything is read from it.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// Decides about every capture and every release whose end the power may have cut. Context: boot,
  /// before any other use of the ring.
  ///
  /// A bit whose programming was cut may read differently each time. A dump that reads as committed,
  /// and whose body proves it, is committed again from what was read, so that it stays so. One that
  /// does not is ended for good, so that it never comes back; likewise one whose body flash did not
  /// take. A release that was begun is completed. Each dump's body is read once in its life.
  public func settle() {
    for index in 0..<slotCount {
      withPage(of: index) { slot, page in
        do throws(FlashError) {
          try settle(slot, page)
        } catch {
          // Flash that fails cannot be helped; the next boot tries again.
        }
      }
    }
  }

  private func settle(_ slot: Slot, _ page: UnsafeRawPointer) throws(FlashError) {
    let start = offset(of: slot.index)
    // More bits than age alone flips: somebody asked for it.
    if slot.releasedBits >= 8, slot.releasedBits < 64 {
      try Flash.mark(start + SlotLayout.releasedMark)
    }
    guard slot.isUnfinished || slot.dumpLength > 0 && !(slot.isSettled && slot.isVerified) else {
      return
    }
    guard !slot.isUnfinished, try bodyCRC(of: slot) == page.load32(at: bodyCRCOffset) else {
      try Flash.mark(start + SlotLayout.commitEnd)
      return
    }
    if !slot.isSettled {
      try Flash.program(
        start + SlotLayout.commit,
        UnsafeRawBufferPointer(start: page + Int(SlotLayout.commit), count: DumpCommit.size))
      try Flash.mark(start + SlotLayout.settledMark)
    }
    try Flash.mark(start + SlotLayout.verifiedMark)
  }

  private var bodyCRCOffset: Int { Int(SlotLayout.commit) + 4 }

  private func bodyCRC(of slot: Slot) throws(FlashError) -> UInt32 {
    var crc = CRC32C()
    var chunk = InlineArray<16, UInt32>(repeating: 0)
    var position = UInt32(DumpPrologue.size)
    while position < slot.dumpLength {
      halWatchdogFeed()
      let run = min(slot.dumpLength - position, 64)
      try withUnsafeMutableBytes(of: &chunk) { bytes throws(FlashError) in
        let part = UnsafeMutableRawBufferPointer(rebasing: bytes[0..<Int(run)])
        try read(slot, at: position, into: part)
        crc.update(UnsafeRawBufferPointer(part))
      }
      position += run
    }
    return crc.value
  }
}
