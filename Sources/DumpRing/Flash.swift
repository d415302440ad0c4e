// The one way from the device modules to the HAL's flash.

import BoardHAL
import DumpFormat

/// What can go wrong between a module and flash. The numbers are stable.
public enum FlashError: UInt8, Error, Sendable {
  /// The part failed, or lost power, in the middle of the operation; or what it holds afterwards is
  /// not what it was told to.
  case failed = 1
  /// An address outside the part or off a boundary.
  case invalidAddress = 2
}

/// Every flash operation of the device modules goes through here, so that HAL results are mapped in
/// one place.
public enum Flash {
  /// Reads `count` bytes at `offset`. Contexts: boot, app, fault.
  public static func read(
    _ offset: UInt32, _ buffer: UnsafeMutableRawPointer, count: UInt32
  ) throws(FlashError) {
    try check(halFlashRead(offset, buffer, count))
  }

  /// Programs `count` bytes at `offset`; bits go from 1 to 0 only. Contexts: boot, app, fault.
  public static func program(
    _ offset: UInt32, _ bytes: UnsafeRawPointer, count: UInt32
  ) throws(FlashError) {
    try check(halFlashProgram(offset, bytes, count))
  }

  /// Programs bytes at `offset` and holds what flash then says against them. Contexts: boot, app,
  /// fault.
  public static func write(
    _ offset: UInt32, _ bytes: UnsafeRawPointer, count: UInt32
  ) throws(FlashError) {
    try program(offset, bytes, count: count)
    guard try compare(offset, bytes, count: count) else { throw .failed }
  }

  /// Whether flash holds these bytes. `bytes` is aligned to 4; a last part of fewer than 4 bytes is
  /// not looked at. Contexts: boot, app, fault.
  static func compare(
    _ offset: UInt32, _ bytes: UnsafeRawPointer, count: UInt32
  ) throws(FlashError) -> Bool {
    var at: UInt32 = 0
    var chunk = InlineArray<16, UInt32>(repeating: 0)
    while at < count {
      let run = min(count - at, 64)
      try withUnsafeMutablePointer(to: &chunk) { pointer throws(FlashError) in
        try read(offset + at, pointer, count: run)
      }
      for i in 0..<Int(run / 4)
      where chunk[unchecked: i] != bytes.load(fromByteOffset: Int(at) + 4 * i, as: UInt32.self) {
        return false
      }
      at += run
    }
    return true
  }

  /// Programs the 8 bytes of a mark at `offset` to zero. Doing it twice does no harm. Contexts: boot,
  /// app, fault.
  public static func mark(_ offset: UInt32) throws(FlashError) {
    var mark: UInt64 = 0
    try withUnsafePointer(to: &mark) { pointer throws(FlashError) in
      try program(offset, pointer, count: 8)
    }
  }

  /// How many of the 64 bits of a mark that was read are programmed. From 32 on a mark counts, so
  /// that neither a torn one nor a flipped bit decides.
  public static func programmedBits(_ mark: UnsafeRawPointer) -> Int {
    programmedBits(mark, words: 2)
  }

  /// How many bits of some words that were read are programmed.
  static func programmedBits(_ start: UnsafeRawPointer, words: Int) -> Int {
    var bits = 0
    for i in 0..<words { bits += (~start.load32(at: 4 * i)).nonzeroBitCount }
    return bits
  }

  /// Erases the sector at `offset`. Contexts: boot, app.
  public static func erase(_ offset: UInt32) throws(FlashError) {
    try check(halFlashErase(offset))
  }

  private static func check(_ status: HALStatus) throws(FlashError) {
    guard status != .ok else { return }
    throw status == .outOfRange || status == .misaligned ? .invalidAddress : .failed
  }
}
