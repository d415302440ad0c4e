// The one way from the device modules to the HAL's flash.

import BoardHAL
import DumpFormat

/// What can go wrong between a module and flash. The numbers are stable.
public enum FlashError: UInt8, Error, Sendable {
  /// The part failed, or lost power, in the middle of the operation.
  case failed = 1
  /// An address outside the part or off a boundary.
  case invalidAddress = 2
}

/// Every flash operation of the device modules goes through here, so that HAL results are mapped in
/// one place.
public enum Flash {
  /// Reads `buffer.count` bytes at `offset`. Contexts: boot, app, fault.
  public static func read(
    _ offset: UInt32, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FlashError) {
    guard let base = buffer.baseAddress else { return }
    try check(halFlashRead(offset, base, UInt32(truncatingIfNeeded: buffer.count)))
  }

  /// Programs bytes at `offset`; bits go from 1 to 0 only. Contexts: boot, app, fault.
  public static func program(
    _ offset: UInt32, _ bytes: UnsafeRawBufferPointer
  ) throws(FlashError) {
    guard let base = bytes.baseAddress else { return }
    try check(halFlashProgram(offset, base, UInt32(truncatingIfNeeded: bytes.count)))
  }

  /// Programs the 8 bytes of a mark at `offset` to zero. Doing it twice does no harm. Contexts: boot,
  /// app, fault.
  public static func mark(_ offset: UInt32) throws(FlashError) {
    var mark: UInt64 = 0
    try withUnsafeBytes(of: &mark) { bytes throws(FlashError) in
      try program(offset, bytes)
    }
  }

  /// How many of the 64 bits of a mark that was read are programmed. From 32 on a mark counts, so
  /// that neither a torn one nor a flipped bit decides.
  public static func programmedBits(_ mark: UnsafeRawPointer) -> Int {
    (~mark.load32(at: 0)).nonzeroBitCount + (~mark.load32(at: 4)).nonzeroBitCount
  }

  /// Erases the sector at `offset`. Contexts: boot, app.
  public static func erase(_ offset: UInt32) throws(FlashError) {
    try check(halFlashErase(offset))
  }

  private static func check(_ status: HALStatus) throws(FlashError) {
    switch status {
    case .ok: return
    case .outOfRange, .misaligned: throw .invalidAddress
    case .failed, .unsupported: throw .failed
    }
  }
}
