// The fixed ring of dump slots on NOR: mounting it, and where everything lies.

import BoardHAL
import DumpFormat

/// The ring (docs/formats/ring.md). Its mount reads the first 256 bytes of each slot, once, into a
/// table; every later question is answered from there, and what changes flash changes the table too.
///
/// Contexts: boot and app; the fault path writes through ``DumpWriter``. One at a time: two rings over
/// the same flash do not see each other's changes.
public struct DumpRing {
  /// What the ring keeps in RAM, in front of the table.
  private struct Layout {
    var base: UInt32
    var slotSize: UInt32
    var slotCount: UInt32
    var sectorSize: UInt32
  }

  private let memory: UnsafeMutableRawPointer

  private var layout: UnsafeMutablePointer<Layout> {
    memory.assumingMemoryBound(to: Layout.self)
  }

  /// Flash offset of the first slot.
  public var base: UInt32 { layout.pointee.base }
  /// Bytes of one slot.
  public var slotSize: UInt32 { layout.pointee.slotSize }
  /// 2 to 64.
  public var slotCount: Int { Int(layout.pointee.slotCount) }
  var sectorSize: UInt32 { layout.pointee.sectorSize }
  var table: UnsafeMutablePointer<Slot> {
    (memory + MemoryLayout<Layout>.size).assumingMemoryBound(to: Slot.self)
  }

  /// Most slots a ring may have.
  public static let mostSlots = 64
  /// Bytes of RAM that a ring needs.
  public static let tableSize =
    MemoryLayout<Layout>.size + mostSlots * MemoryLayout<Slot>.stride

  /// Lays slots of `slotSize` bytes over the board's ring area and mounts them.
  ///
  /// Answers `nil` when the board has no flash, when the size is not a whole number of sectors, or
  /// when fewer than 2 fit. Slots beyond ``mostSlots`` stay unused.
  ///
  /// - Parameter table: ``tableSize`` bytes, aligned to 8, the ring's alone as long as it lives.
  public init?(geometry: FlashGeometry, slotSize: UInt32, table: UnsafeMutableRawPointer) {
    guard geometry.size > 0, slotSize >= geometry.sectorSize,
      slotSize & (geometry.sectorSize &- 1) == 0, geometry.ringSize / 2 >= slotSize
    else { return nil }
    memory = table
    layout.pointee = Layout(
      base: geometry.ringOffset, slotSize: slotSize,
      slotCount: min(geometry.ringSize / slotSize, UInt32(Self.mostSlots)),
      sectorSize: geometry.sectorSize)
    mount()
  }

  /// Flash offset of a slot.
  public func offset(of index: Int) -> UInt32 {
    base &+ UInt32(truncatingIfNeeded: index) &* slotSize
  }

  /// What slot `index` holds.
  public func slot(_ index: Int) -> Slot { table[index] }

  // MARK: - Mounting

  /// Reads every slot's first page and decides about every capture and every release whose end the
  /// power may have cut.
  ///
  /// A bit whose programming was cut may read differently each time. What reads as unfinished is ended
  /// for good, so that it never comes back; a release that was begun is completed. A dump that reads as
  /// committed is proved by its body before it is offered, see ``next(after:)``.
  @inline(never)
  func mount() {
    for index in 0..<slotCount { mount(index) }
  }

  /// Reads one slot into the table.
  func mount(_ index: Int) {
    var page = InlineArray<64, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &page) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      do throws(FlashError) {
        try Flash.read(offset(of: index), bytes, count: SlotLayout.page)
      } catch {
        // Whatever arrived is not to be trusted: zeros make the slot dirty.
        bytes.clear(Int(SlotLayout.page))
      }
      table[index] = understand(bytes, index)
    }
  }

  private func understand(_ page: UnsafeRawPointer, _ index: Int) -> Slot {
    var slot = Slot(state: .dirty)
    let start = offset(of: index)
    if bits(page, SlotLayout.retiredMark) >= SlotLayout.retiredBits,
      page.load32(at: 0) == SlotLayout.readyMagic
    {
      slot.state = .retired
      return slot
    }
    if page.load32(at: 0) == SlotLayout.readyMagic, page.load32(at: 12) == Self.readyCRC(page) {
      // Of another version, or of a ring with other slots: nothing in it is known.
      guard page.load32(at: 4) == SlotLayout.version(slotSize: slotSize) else { return slot }
      slot.eraseCount = page.load32(at: SlotLayout.eraseCount)
    }
    let dump = page + Int(SlotLayout.dump)
    guard PrologueLayout.isHeader(dump) else {
      if slot.eraseCount != Slot.unknownCount, Self.isBlank(page) { slot.state = .ready }
      return slot
    }
    let length = dump.load32(at: PrologueLayout.bodyLength)
    guard PrologueLayout.isCommit(page + Int(SlotLayout.commit)),
      length <= slotSize &- SlotLayout.body
    else {
      if page.load32(at: Int(SlotLayout.commitEnd)) != 0 {
        Self.mark(start &+ SlotLayout.commitEnd)
      }
      return slot
    }
    slot.key = DumpKey(
      bootCount: dump.load32(at: PrologueLayout.bootCount),
      sequence: dump.load32(at: PrologueLayout.sequence))
    slot.fingerprint = Fingerprint(rawValue: dump.load64(at: PrologueLayout.fingerprint))
    slot.dumpLength = UInt32(DumpPrologue.size) &+ length
    slot.isSettled = bits(page, SlotLayout.settledMark) >= 32
    slot.isVerified = bits(page, SlotLayout.verifiedMark) >= 32
    let released = bits(page, SlotLayout.releasedMark)
    slot.state = released >= 32 ? .released : .waiting
    // More bits than age alone flips: somebody asked for it.
    if released >= 8, released < 64 {
      Self.mark(start &+ SlotLayout.releasedMark)
      slot.state = .released
    }
    return slot
  }

  private func bits(_ page: UnsafeRawPointer, _ mark: UInt32) -> Int {
    Flash.programmedBits(page + Int(mark))
  }

  static func readyCRC(_ mark: UnsafeRawPointer) -> UInt32 { CRC32C.checksum(mark, count: 12) }

  private static func isBlank(_ page: UnsafeRawPointer) -> Bool {
    Flash.programmedBits(page + SlotLayout.readyMarkSize, words: 60) == 0
  }

  /// Says that the dump in a slot was finished: its commit will not read differently. Without it the
  /// dump counts all the same and is proved when it is offered. Contexts: boot, fault.
  ///
  /// - Parameter slot: flash offset of the slot.
  public static func settle(slot: UInt32) { mark(slot &+ SlotLayout.settledMark) }

  /// Takes a ready slot out of use for good, because it does not keep what it is told. Contexts: boot,
  /// fault.
  ///
  /// - Parameter slot: flash offset of the slot.
  public static func retire(slot: UInt32) { mark(slot &+ SlotLayout.retiredMark) }

  /// Programs a mark. Flash that fails cannot be helped: the next boot tries again.
  static func mark(_ offset: UInt32) {
    do throws(FlashError) {
      try Flash.mark(offset)
    } catch {
      return
    }
  }
}
