// The device's name for life, made by the board itself (docs/formats/ring.md, Identity).

import BoardHAL
import DumpFormat
import DumpRing
import LinkProtocol

/// Finds the device's identity in flash, or makes one. Context: boot.
enum DeviceIdentity {
  /// Bytes of the record without its mark.
  private static let size: UInt32 = 72
  /// "MID1", little endian.
  private static let magic: UInt32 = 0x3144_494D

  /// Stores the identity at `id`, 64 bytes: zeros when the board has neither a stored one nor a source
  /// of entropy.
  static func find(_ geometry: FlashGeometry, _ id: UnsafeMutableRawPointer) {
    id.clear(DeviceID.count)
    guard geometry.size > 0, geometry.stateSize >= 3 * geometry.sectorSize else { return }
    let offset = geometry.stateOffset + geometry.stateSize - geometry.sectorSize
    var words = InlineArray<20, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &words) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      do throws(FlashError) {
        try Flash.read(offset, raw, count: size + 8)
        // Without its mark a record may read differently the next time: nobody has seen it yet.
        if raw.load32(at: 0) != magic || raw.load32(at: 68) != checksum(raw)
          || Flash.programmedBits(raw + 72) < 32
        {
          guard halEntropy((raw + 4).assumingMemoryBound(to: UInt8.self), DeviceID.count) == .ok
          else { return }
          raw.store32(magic, at: 0)
          raw.store32(checksum(raw), at: 68)
          try Flash.erase(offset)
          try Flash.write(offset, raw, count: size)
        }
        try Flash.mark(offset + size)
        id.store(raw + 4, count: DeviceID.count, at: 0)
      } catch {
        return
      }
    }
  }

  private static func checksum(_ record: UnsafeRawPointer) -> UInt32 {
    CRC32C.checksum(record, count: 68)
  }
}
