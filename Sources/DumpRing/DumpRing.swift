// The fixed ring of dump slots on NOR: where each lies, what each holds, reading and releasing.

import BoardHAL
import DumpFormat

/// The ring (docs/formats/ring.md). It keeps nothing in RAM but its geometry: each call reads the
/// slots it needs, 256 bytes each, so what flash says is always what counts.
///
/// Reading, releasing and reclaiming belong to the boot agent (contexts boot and app); the fault path
/// writes through ``DumpWriter``.
public struct DumpRing: Sendable {
  /// Flash offset of the first slot.
  public let base: UInt32
  /// Bytes of one slot.
  public let slotSize: UInt32
  /// 2 to 64.
  public let slotCount: UInt32
  let sectorSize: UInt32

  /// Most slots a ring may have.
  public static let mostSlots: UInt32 = 64

  /// Lays slots of `slotSize` bytes over the board's ring area.
  ///
  /// Answers `nil` when the board has no flash, when the size is not a whole number of sectors, or
  /// when fewer than 2 fit. Slots beyond ``mostSlots`` stay unused.
  public init?(geometry: FlashGeometry, slotSize: UInt32) {
    guard geometry.size > 0, slotSize >= geometry.sectorSize,
      slotSize & (geometry.sectorSize - 1) == 0
    else { return nil }
    base = geometry.ringOffset
    self.slotSize = slotSize
    sectorSize = geometry.sectorSize
    var count: UInt32 = 0
    var rest = geometry.ringSize
    while rest >= slotSize, count < Self.mostSlots {
      rest -= slotSize
      count += 1
    }
    guard count >= 2 else { return nil }
    slotCount = count
  }

  /// Flash offset of a slot.
  public func offset(of index: UInt32) -> UInt32 { base + index * slotSize }

  /// Reads what slot `index` holds; one that cannot be read is dirty.
  public func slot(_ index: UInt32) -> Slot {
    withPage(of: index) { slot, _ in slot }
  }

  /// Reads a slot's first page and hands out what it says and its bytes, both of the same read.
  func withPage<Result>(of index: UInt32, _ body: (Slot, UnsafeRawPointer) -> Result) -> Result {
    var page = InlineArray<64, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &page) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      let bytes = UnsafeMutableRawBufferPointer(start: raw, count: Int(SlotLayout.page))
      do throws(FlashError) {
        try Flash.read(offset(of: index), into: bytes)
      } catch {
        // Whatever arrived is not to be trusted: zeros make the slot dirty.
        for i in 0..<bytes.count { bytes[i] = 0 }
      }
      return body(Slot(index: index, page: UnsafeRawPointer(raw), size: slotSize), raw)
    }
  }
}
