// Puts a dump that is whole already into a slot.

import BoardHAL
import DumpFormat

extension DumpRing {
  /// Programs a whole dump into a ready slot, in the order of a capture: header, body, commit, and the
  /// mark that the commit is done. A failure leaves the slot dirty. Context: boot.
  ///
  /// - Parameter dump: held against its checksums by the caller, and no longer than the slot takes.
  public func store(_ dump: UnsafeRawBufferPointer, in slot: Slot) throws(FlashError) {
    guard let base = dump.baseAddress else { return }
    let start = offset(of: slot.index)
    let prologue = DumpPrologue.size
    try Flash.program(
      start + SlotLayout.dump, UnsafeRawBufferPointer(start: base, count: DumpHeader.size))
    try Flash.program(
      start + SlotLayout.body,
      UnsafeRawBufferPointer(start: base + prologue, count: dump.count - prologue))
    try Flash.program(
      start + SlotLayout.commit,
      UnsafeRawBufferPointer(start: base + DumpHeader.size, count: DumpCommit.size))
    try Flash.mark(start + SlotLayout.settledMark)
  }
}
