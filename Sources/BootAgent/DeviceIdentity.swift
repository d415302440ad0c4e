// The device's name for life, made by the board itself (docs/formats/ring.md, Identity).

import BoardHAL
import DumpFormat
import DumpRing
import LinkProtocol

/// Finds the device's identity in flash, or makes one. Context: boot.
enum DeviceIdentity {
  /// Bytes of the record, and of the record with its mark.
  private static let size = 72
  private static let sizeWithMark = 80
  /// "MID1", little endian.
  private static let magic: UInt32 = 0x3144_494D

  /// The identity; one of zeros when the board has neither a stored one nor a source of entropy.
  static func find(geometry: FlashGeometry) -> DeviceID {
    guard geometry.size > 0, geometry.stateSize >= 3 * geometry.sectorSize else {
      return DeviceID()
    }
    let offset = geometry.stateOffset + 2 * geometry.sectorSize
    var words = InlineArray<20, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      do throws(FlashError) {
        try Flash.read(
          offset, into: UnsafeMutableRawBufferPointer(start: raw, count: sizeWithMark))
        // Without its mark a record may read differently the next time: nobody has seen it yet.
        let marked = Flash.programmedBits(raw + size)
        guard isIntact(raw), marked >= 32 else { return try make(at: offset, raw) }
        if marked < 64 { try Flash.mark(offset + UInt32(size)) }
        return DeviceID(at: raw + 4)
      } catch {
        return DeviceID()
      }
    }
  }

  private static func isIntact(_ raw: UnsafeRawPointer) -> Bool {
    raw.load32(at: 0) == magic
      && raw.load32(at: 68) == CRC32C.checksum(UnsafeRawBufferPointer(start: raw, count: 68))
  }

  private static func make(
    at offset: UInt32, _ raw: UnsafeMutableRawPointer
  ) throws(FlashError) -> DeviceID {
    guard halEntropy((raw + 4).assumingMemoryBound(to: UInt8.self), DeviceID.count) == .ok else {
      return DeviceID()
    }
    raw.store32(magic, at: 0)
    raw.store32(CRC32C.checksum(UnsafeRawBufferPointer(start: raw, count: 68)), at: 68)
    try Flash.erase(offset)
    try Flash.program(offset, UnsafeRawBufferPointer(start: raw, count: size))
    try Flash.mark(offset + UInt32(size))
    return DeviceID(at: raw + 4)
  }
}
