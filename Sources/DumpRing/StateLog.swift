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

  /// Where things lie in a record, bytes from its start. A record whose fingerprint is 0 counts boots, "MSLPERID" periods of uptime.
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

  /// Bits that one more of what a record counts takes: a boot or a period takes one, because a number may be
  /// skipped; a crash takes a whole byte, so that a torn one is counted once or not at all.
  static func step(_ name: Fingerprint) -> UInt32 { isCounter(name) ? 1 : 8 }

  /// The names of the records that count boots, and periods of 2^32 microseconds of uptime.
  static let boots = Fingerprint(rawValue: 0)
  static let periods = Fingerprint(rawValue: 0x4449_5245_504C_534D)

  /// Whether a record counts something else than crashes.
  static func isCounter(_ name: Fingerprint) -> Bool { name == boots || name == periods }

  /// The record with which a fingerprint is counted now; `nil` when there is none. Reads 8 bytes of
  /// each record, the newest first. Contexts: boot, app, fault.
  ///
  /// Where flash cannot be read there is no telling: the answer is then a record that counts nothing.
  public func find(_ fingerprint: Fingerprint) -> LogRecord? {
    do throws(FlashError) {
      return try search(fingerprint)
    } catch {
      return LogRecord(offset: LogRecord.nowhere)
    }
  }

  func search(_ fingerprint: Fingerprint) throws(FlashError) -> LogRecord? {
    var index = used
    while index > 1 {
      index &-= 1
      var record = record(index)
      if try record.name() == fingerprint, try record.count(Self.step(fingerprint)) {
        return record
      }
    }
    return nil
  }

  /// The record with a number, from 1.
  func record(_ index: UInt32) -> LogRecord {
    LogRecord(offset: half &+ index &* Self.recordSize)
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
    if let record, record.done &* step < Self.tallyBits {
      return record.clear(bits: (record.done &+ 1) &* step) ? record.total : nil
    }
    var words = InlineArray<16, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer -> UInt32? in
      let bytes = UnsafeMutableRawPointer(pointer)
      if let record {
        guard record.loadIntact(bytes) else { return nil }
        bytes.store32(record.total, at: At.base)
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
      let record = record(used)
      used &+= 1
      do throws(FlashError) {
        try Flash.write(record.offset, bytes, count: At.tally)
        return record
      } catch {
        continue
      }
    }
    return nil
  }

  /// How many a whole record's tally shows. Of crashes, the last byte of which half is programmed tells:
  /// what a cut left of one before it is no matter.
  static func counted(_ record: UnsafeRawPointer, _ step: UInt32) -> UInt32 {
    let tally = record + Int(At.tally)
    guard step > 1 else {
      return UInt32(truncatingIfNeeded: Flash.programmedBits(tally, words: 8))
    }
    var done = tallyBits / 8
    while done > 0 {
      // Its own byte, and that byte alone.
      let byte = UInt32(tally.load8(at: Int(done &- 1))) | 0xFFFF_FF00
      let bits = withUnsafePointer(to: byte) { Flash.programmedBits($0, words: 1) }
      if bits >= 4 { break }
      done &-= 1
    }
    return done
  }
}

/// A record of the state log: its flash offset, and what it said when it was found.
public struct LogRecord: Sendable {
  public let offset: UInt32
  /// What was counted before it.
  var base: UInt32 = 0
  /// What its tally shows.
  var done: UInt32 = 0

  init(offset: UInt32) { self.offset = offset }

  /// What the record has counted, those before it included.
  public var total: UInt32 { base &+ done }

  /// An offset that no part has.
  static let nowhere: UInt32 = 1 << 31

  /// Reads a part of the record.
  public func read(
    _ at: UInt32, _ buffer: UnsafeMutableRawPointer, count: UInt32
  ) throws(FlashError) {
    try Flash.read(offset &+ at, buffer, count: count)
  }

  /// The fingerprint that the record counts, if it is one.
  func name() throws(FlashError) -> Fingerprint {
    var name: UInt64 = 0
    try withUnsafeMutablePointer(to: &name) { pointer throws(FlashError) in
      try read(0, pointer, count: 8)
    }
    return Fingerprint(rawValue: name.littleEndian)
  }

  /// Reads the whole record; answers whether it is intact.
  func load(_ bytes: UnsafeMutableRawPointer) throws(FlashError) -> Bool {
    try read(0, bytes, count: StateLog.recordSize)
    return Self.isIntact(bytes)
  }

  /// Reads the whole record; answers whether that could be done and it is intact.
  func loadIntact(_ bytes: UnsafeMutableRawPointer) -> Bool {
    do throws(FlashError) {
      return try load(bytes)
    } catch {
      return false
    }
  }

  /// Reads what the record has counted; answers whether it is intact and has counted something. A head
  /// alone, which a cut may have left undecided, has not.
  mutating func count(_ step: UInt32) throws(FlashError) -> Bool {
    var words = InlineArray<16, UInt32>(repeating: 0)
    let offset = offset
    let found = try withUnsafeMutablePointer(to: &words) {
      pointer throws(FlashError) -> LogRecord? in
      let bytes = UnsafeMutableRawPointer(pointer)
      guard try load(bytes) else { return nil }
      var record = LogRecord(offset: offset)
      record.base = bytes.load32(at: StateLog.At.base)
      record.done = StateLog.counted(bytes, step)
      return record
    }
    guard let found, found.total > 0 else { return false }
    self = found
    return true
  }

  static func isIntact(_ head: UnsafeRawPointer) -> Bool {
    head.load32(at: StateLog.At.crc) == CRC32C.checksum(head, count: StateLog.At.crc)
  }

  /// Programs the byte that holds the last of the tally's first `bits` bits.
  func clear(bits: UInt32) -> Bool {
    let last = bits &- 1
    var value = UInt8(truncatingIfNeeded: 0xFE << (last & 7))
    do throws(FlashError) {
      try withUnsafePointer(to: &value) { pointer throws(FlashError) in
        try Flash.program(offset &+ StateLog.At.tally &+ last / 8, pointer, count: 1)
      }
      return true
    } catch {
      return false
    }
  }
}
