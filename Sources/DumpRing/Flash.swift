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
    try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 4) { chunk throws(FlashError) in
      guard let copy = chunk.baseAddress else { return false }
      var done: UInt32 = 0
      while done < count {
        let run = min(count &- done, 256)
        try read(offset &+ done, copy, count: run)
        guard areSameWords(copy, bytes + Int(done), words: Int(run >> 2)) else { return false }
        done &+= run
      }
      return true
    }
  }

  @inline(never)
  @_optimize(speed)
  private static func areSameWords(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, words: Int
  ) -> Bool {
    var a = a
    var b = b
    var left = words
    while left >= 4 {
      guard a.load32(at: 0) == b.load32(at: 0), a.load32(at: 4) == b.load32(at: 4),
        a.load32(at: 8) == b.load32(at: 8), a.load32(at: 12) == b.load32(at: 12)
      else { return false }
      a += 16
      b += 16
      left &-= 4
    }
    while left > 0 {
      guard a.load32(at: 0) == b.load32(at: 0) else { return false }
      a += 4
      b += 4
      left &-= 1
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
  @inline(never)
  static func programmedBits(_ start: UnsafeRawPointer, words: Int) -> Int {
    var bits = 0
    var at = start
    let end = start + 4 * words
    while at < end {
      var word = ~at.load32(at: 0)
      while word != 0 {
        word &= word &- 1
        bits &+= 1
      }
      at += 4
    }
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
