// The state log at boot: finding the half in use, counting the boot, making room.

import BoardHAL
import DumpFormat

extension StateLog {
  /// Fingerprints that a log keeps at least, in halves of 8 KiB or more.
  public static let fingerprintsKept: UInt32 = 64
  /// Free records that a boot leaves: the boot and the crash may each need one, and one each may be torn.
  private static let spare: UInt32 = 4
  /// Where a half's header has the mark that is programmed behind it, bytes from the half's start.
  private static let headerMark: UInt32 = 16

  /// Finds the half in use, or starts a log where there is none. Context: boot.
  ///
  /// Answers `nil` when the state area has fewer than 3 sectors, when flash cannot be read, or when it
  /// takes no header.
  public init?(geometry: FlashGeometry) {
    guard geometry.size > 0, geometry.stateSize >= 3 &* geometry.sectorSize else { return nil }
    var size = geometry.sectorSize
    while 2 &* size &+ 3 &* geometry.sectorSize <= geometry.stateSize {
      size &+= geometry.sectorSize
    }
    half = geometry.stateOffset
    capacity = size / Self.recordSize
    used = 1
    let other = half &+ size
    do throws(FlashError) {
      let first = try Self.generation(half)
      let second = try Self.generation(other)
      guard first != nil || second != nil else {
        try Self.erase(half, size, geometry.sectorSize)
        try Self.writeHeader(half, generation: 1)
        return
      }
      if let second, second > first ?? 0 { half = other }
      try Self.settleHeader(half, generation: max(first ?? 0, second ?? 0))
      used = capacity
      while used > 1, try isBlank(used &- 1) { used &-= 1 }
      if used > 1 { try decide(used &- 1) }
    } catch {
      return nil
    }
  }

  private func isBlank(_ index: UInt32) throws(FlashError) -> Bool {
    var words = InlineArray<8, UInt32>(repeating: 0)
    return try withUnsafeMutablePointer(to: &words) { pointer throws(FlashError) in
      try record(index).read(0, pointer, count: At.tally)
      return Flash.programmedBits(pointer, words: 8) == 0
    }
  }

  /// Decides about a record whose head a cut may have left undecided: programs it again as it reads, or
  /// ends it. One that nothing stands in for is not put at risk: what has counted, and what was carried
  /// over from the other half, is decided.
  private func decide(_ index: UInt32) throws(FlashError) {
    let record = record(index)
    var words = InlineArray<16, UInt32>(repeating: 0)
    try withUnsafeMutablePointer(to: &words) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      let isIntact = try record.load(bytes)
      guard Flash.programmedBits(bytes + Int(At.tally), words: 8) == 0 else { return }
      if !isIntact {
        bytes.store32(0, at: At.crc)
      } else if bytes.load32(at: At.base) > 0 {
        var before = self
        before.used = index
        let name = Fingerprint(rawValue: bytes.load64(at: At.fingerprint))
        guard try before.search(name) != nil else { return }
      }
      try Flash.program(record.offset, bytes, count: At.tally)
    }
  }

  /// Counts this boot and returns its number, from 1; 0 when flash did not take it. Each call counts
  /// one boot more; a number is never used for two boots. Context: boot.
  public mutating func countBoot() -> UInt32 { countOne(Self.boots) }

  /// Periods of 2^32 microseconds of uptime that were counted. Contexts: boot, app.
  public var periodCount: UInt32 { find(Self.periods)?.total ?? 0 }

  /// Counts one more period and returns their number; 0 when flash did not take it. It leaves the room
  /// that a crash may need. Contexts: boot, app.
  public mutating func countPeriod() -> UInt32 {
    let record = find(Self.periods)
    if record?.done ?? Self.tallyBits == Self.tallyBits, capacity &- used < Self.spare { return 0 }
    return countOne(Self.periods)
  }

  private mutating func countOne(_ name: Fingerprint) -> UInt32 {
    let record = find(name)
    if let record {
      // What was written last may have been left undecided by a cut: programming it again decides it.
      if record.done > 0 { _ = record.clear(bits: record.done) }
    }
    guard let before = count(name, in: record, boot: 0, uptime: 0) else { return 0 }
    return before &+ 1
  }

  /// Makes room for the records that a boot and its crash may need: carries what still matters into the
  /// other half when this one is nearly full. Context: boot, before anything is counted.
  public mutating func makeRoom(geometry: FlashGeometry) {
    guard capacity &- used < Self.spare else { return }
    let size = capacity &* Self.recordSize
    var new = self
    new.half = half == geometry.stateOffset ? half &+ size : geometry.stateOffset
    new.used = 1
    do throws(FlashError) {
      guard let generation = try Self.generation(half) else { return }
      try Self.erase(new.half, size, geometry.sectorSize)
      try new.take(from: self)
      try Self.writeHeader(new.half, generation: generation &+ 1)
      self = new
    } catch {
      // The half in use goes on as long as it has room, and the other must not take over from it later.
      do throws(FlashError) {
        try Flash.mark(new.half)
      } catch {
        return
      }
    }
  }

  /// Copies what still matters of another half, the oldest fingerprints not when there are more than fit
  /// in half of a half.
  private mutating func take(from old: StateLog) throws(FlashError) {
    var live: UInt32 = 0
    for index in 1..<old.used where try old.isLive(index) { live &+= 1 }
    let kept = capacity / 2 &+ 1
    var words = InlineArray<16, UInt32>(repeating: 0)
    try withUnsafeMutablePointer(to: &words) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      for index in 1..<old.used where try old.isLive(index) {
        live &-= 1
        guard try old.record(index).load(bytes) else { continue }
        let name = Fingerprint(rawValue: bytes.load64(at: At.fingerprint))
        if !Self.isCounter(name), live >= kept { continue }
        let total = bytes.load32(at: At.base) &+ Self.counted(bytes, Self.step(name))
        bytes.store32(total, at: At.base)
        guard append(bytes) != nil else { throw .failed }
      }
    }
  }

  /// The next record behind `position` that counts crashes, its 64 bytes and its total.
  ///
  /// - Parameter position: 0 to begin; then the position answered last.
  public func nextCrash(
    after position: UInt32, _ bytes: UnsafeMutableRawPointer
  ) -> (position: UInt32, total: UInt32)? {
    var index = position
    while index &+ 1 < used {
      index &+= 1
      do throws(FlashError) {
        let record = record(index)
        let name = try record.name()
        guard !Self.isCounter(name), let found = try search(name), found.offset == record.offset,
          try record.load(bytes)
        else { continue }
        return (index, found.total)
      } catch {
        continue
      }
    }
    return nil
  }

  /// Whether a record is the one that its fingerprint is counted with.
  private func isLive(_ index: UInt32) throws(FlashError) -> Bool {
    let record = record(index)
    return try search(try record.name())?.offset == record.offset
  }

  private static func erase(
    _ offset: UInt32, _ size: UInt32, _ sector: UInt32
  ) throws(FlashError) {
    var at = offset
    while at < offset &+ size {
      halWatchdogFeed()
      try Flash.erase(at)
      at &+= sector
    }
  }

  private static func writeHeader(_ offset: UInt32, generation: UInt32) throws(FlashError) {
    var words = InlineArray<4, UInt32>(repeating: 0)
    try withUnsafeMutablePointer(to: &words) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      bytes.store32(magic, at: 0)
      bytes.store32(generation, at: 4)
      bytes.store32(CRC32C.checksum(bytes, count: 8), at: 8)
      try Flash.write(offset, bytes, count: 12)
    }
    try Flash.mark(offset &+ headerMark)
  }

  /// Decides a header that a cut left undecided, by programming it again. Once, before anything is
  /// counted in its half: a cut may spoil what it interrupts.
  private static func settleHeader(_ offset: UInt32, generation: UInt32) throws(FlashError) {
    var mark: UInt64 = 0
    let isSettled = try withUnsafeMutablePointer(to: &mark) { pointer throws(FlashError) in
      try Flash.read(offset &+ headerMark, pointer, count: 8)
      return Flash.programmedBits(pointer) >= 32
    }
    if !isSettled { try writeHeader(offset, generation: generation) }
  }

  /// The generation that a half's header tells; `nil` when it is not intact.
  private static func generation(_ offset: UInt32) throws(FlashError) -> UInt32? {
    var words = InlineArray<4, UInt32>(repeating: 0)
    return try withUnsafeMutablePointer(to: &words) { pointer throws(FlashError) in
      let bytes = UnsafeMutableRawPointer(pointer)
      try Flash.read(offset, bytes, count: 12)
      guard bytes.load32(at: 0) == magic,
        bytes.load32(at: 8) == CRC32C.checksum(bytes, count: 8)
      else { return nil }
      return bytes.load32(at: 4)
    }
  }
}
