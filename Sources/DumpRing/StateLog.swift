// What the device remembers beside its dumps: boots and crashes counted in flash, cut-proof and frugal.

import BoardHAL
import DumpFormat

/// The state log (docs/formats/ring.md, State log): records of 64 bytes, each a head and a tally whose
/// bits go from 1 to 0 with what it counts. One half of the area is in use; when it is nearly full the
/// boot agent writes what still matters into the other half.
///
/// The value is what the fault path needs to count a crash: where the half lies and how full it is.
public struct StateLog: Sendable {
  /// Flash offset of the half in use.
  var half: UInt32
  /// Records used in it, the half's own header included.
  var used: UInt32
  /// Records that a half has room for.
  var capacity: UInt32

  /// Where things lie in a record, bytes from its start. A record whose fingerprint is 0 counts boots.
  public enum At {
    public static let fingerprint = 0
    static let base = 8
    public static let firstBoot = 12
    public static let firstUptime = 16
    public static let lastBoot = 20
    public static let lastUptime = 24
    static let crc = 28
    static let tally: UInt32 = 32
  }
  static let recordSize: UInt32 = 64
  /// Bits of a tally.
  static let tallyBits: UInt32 = 256
  /// "MSL1", little endian: the first word of a half, before its generation and their checksum.
  static let magic: UInt32 = 0x314C_534D

  /// Bits that one more of what a record counts takes: a boot takes one, because a boot number may be
  /// skipped; a crash takes a whole byte, so that a torn one is counted once or not at all.
  static func step(_ fingerprint: Fingerprint) -> UInt32 { fingerprint.rawValue == 0 ? 1 : 8 }

  /// The record with which a fingerprint is counted now; `nil` when there is none. Reads 8 bytes of
  /// each record, the newest first. Contexts: boot, app, fault.
  public func find(_ fingerprint: Fingerprint) -> LogRecord? {
    var index = used
    while index > 1 {
      index -= 1
      let record = LogRecord(offset: half + index * Self.recordSize)
      var name: UInt64 = 0
      withUnsafeMutablePointer(to: &name) { record.read(0, $0, count: 8) }
      if name.littleEndian == fingerprint.rawValue, record.isIntact { return record }
    }
    return nil
  }

  /// Counts one more, in a new record when there is none or when it is full. Contexts: boot, fault.
  ///
  /// - Parameters:
  ///   - boot: number of this boot.
  ///   - uptime: seconds since power-on.
  /// - Returns: the count before this one; `nil` when flash did not take it.
  public mutating func count(
    _ fingerprint: Fingerprint, in record: LogRecord?, boot: UInt32, uptime: UInt32
  ) -> UInt32? {
    let step = Self.step(fingerprint)
    var words = InlineArray<16, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer -> UInt32? in
      let bytes = UnsafeMutableRawPointer(pointer)
      if let record {
        guard record.load(bytes) else { return nil }
        let done = Self.counted(bytes, step)
        let before = bytes.load32(at: At.base) &+ done
        if done * step < Self.tallyBits {
          return record.clear(bits: (done + 1) * step) ? before : nil
        }
        bytes.store32(before, at: At.base)
      } else {
        bytes.store64(fingerprint.rawValue, at: At.fingerprint)
        bytes.store32(boot, at: At.firstBoot)
        bytes.store32(uptime, at: At.firstUptime)
      }
      bytes.store32(boot, at: At.lastBoot)
      bytes.store32(uptime, at: At.lastUptime)
      guard let new = append(bytes), new.clear(bits: step) else { return nil }
      return bytes.load32(at: At.base)
    }
  }

  /// Writes the head at `bytes`, checksum included, into the next free record. One that flash does not
  /// keep is left behind.
  mutating func append(_ bytes: UnsafeMutableRawPointer) -> LogRecord? {
    bytes.store32(CRC32C.checksum(bytes, count: At.crc), at: At.crc)
    while used < capacity {
      let record = LogRecord(offset: half + used * Self.recordSize)
      used += 1
      do throws(FlashError) {
        try Flash.write(record.offset, bytes, count: At.tally)
        return record
      } catch {
        continue
      }
    }
    return nil
  }

  /// What a whole record has counted, those before it included.
  static func total(_ record: UnsafeRawPointer, _ fingerprint: Fingerprint) -> UInt32 {
    record.load32(at: At.base) &+ counted(record, step(fingerprint))
  }

  /// How many a whole record's tally shows.
  static func counted(_ record: UnsafeRawPointer, _ step: UInt32) -> UInt32 {
    let bits = UInt32(truncatingIfNeeded: Flash.programmedBits(record + Int(At.tally), words: 8))
    return step == 1 ? bits : (bits &+ 4) >> 3
  }
}

/// A record of the state log by its flash offset.
public struct LogRecord: Sendable {
  public let offset: UInt32

  /// Reads a part of the record; bytes that cannot be read are zeros.
  public func read(_ at: UInt32, _ buffer: UnsafeMutableRawPointer, count: UInt32) {
    do throws(FlashError) {
      try Flash.read(offset + at, buffer, count: count)
    } catch {
      buffer.clear(Int(count))
    }
  }

  /// Reads the whole record; answers whether it is intact.
  func load(_ bytes: UnsafeMutableRawPointer) -> Bool {
    read(0, bytes, count: StateLog.recordSize)
    return Self.isIntact(bytes)
  }

  /// What the record has counted, those before it included. Contexts: boot, app, fault.
  public func total(_ fingerprint: Fingerprint) -> UInt32 {
    var words = InlineArray<16, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer in
      guard load(pointer) else { return 0 }
      return StateLog.total(pointer, fingerprint)
    }
  }

  var isIntact: Bool {
    var words = InlineArray<16, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { load($0) }
  }

  static func isIntact(_ head: UnsafeRawPointer) -> Bool {
    head.load32(at: StateLog.At.crc) == CRC32C.checksum(head, count: StateLog.At.crc)
  }

  /// Programs the byte that holds the last of the tally's first `bits` bits.
  func clear(bits: UInt32) -> Bool {
    let last = bits - 1
    var value = UInt8(truncatingIfNeeded: 0xFE << (last & 7))
    do throws(FlashError) {
      try withUnsafePointer(to: &value) { pointer throws(FlashError) in
        try Flash.program(offset + StateLog.At.tally + last / 8, pointer, count: 1)
      }
      return true
    } catch {
      return false
    }
  }
}
