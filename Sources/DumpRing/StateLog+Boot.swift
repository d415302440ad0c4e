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
  /// Answers `nil` when the state area has fewer than 3 sectors, or when flash takes no header.
  public init?(geometry: FlashGeometry) {
    guard geometry.size > 0, geometry.stateSize >= 3 * geometry.sectorSize else { return nil }
    var size = geometry.sectorSize
    while 2 * size + 3 * geometry.sectorSize <= geometry.stateSize { size += geometry.sectorSize }
    half = geometry.stateOffset
    capacity = size / Self.recordSize
    used = 1
    let other = half + size
    let first = Self.generation(half)
    let second = Self.generation(other)
    guard first != nil || second != nil else {
      guard start(half, generation: 1) else { return nil }
      return
    }
    if let second, second > first ?? 0 { half = other }
    // A header that a cut left undecided is decided by programming it again. One with its mark is left
    // alone: a cut while it is programmed could harm it.
    var mark: UInt64 = 0
    let isSettled = withUnsafeMutablePointer(to: &mark) {
      LogRecord(offset: half + Self.headerMark).read(0, $0, count: 8)
      return Flash.programmedBits($0) >= 32
    }
    guard isSettled || writeHeader(half, generation: max(first ?? 0, second ?? 0)) else {
      return nil
    }
    used = capacity
    var words = InlineArray<8, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &words) { pointer in
      while used > 1 {
        LogRecord(offset: half + (used - 1) * Self.recordSize).read(0, pointer, count: At.tally)
        guard Flash.programmedBits(pointer, words: 8) == 0 else { break }
        used -= 1
      }
    }
  }

  /// Counts this boot and returns its number, from 1; 0 when flash did not take it. Each call counts
  /// one boot more; a number is never used for two boots. Context: boot.
  public mutating func countBoot() -> UInt32 {
    let boots = Fingerprint(rawValue: 0)
    let record = find(boots)
    if let record {
      // What was written last may have been left undecided by a cut: programming it again decides it.
      let done = record.total(boots) &- record.base
      if done > 0 { _ = record.clear(bits: done) }
    }
    guard let before = count(boots, in: record, boot: 0, uptime: 0) else { return 0 }
    return before &+ 1
  }

  /// Makes room for the records that a boot and its crash may need. Context: boot.
  ///
  /// - Parameter size: bytes of a half.
  public mutating func makeRoom(geometry: FlashGeometry) {
    guard capacity - used < Self.spare else { return }
    let size = capacity * Self.recordSize
    let old = self
    let target = half == geometry.stateOffset ? half + size : geometry.stateOffset
    guard let generation = Self.generation(half), Self.erase(target, size, geometry.sectorSize)
    else { return }
    var new = self
    new.half = target
    new.used = 1
    // The oldest fingerprints go when there are more than fit in half of a half.
    var live: UInt32 = 0
    for index in 1..<used where old.isLive(index) { live += 1 }
    let kept = capacity / 2 + 1
    var words = InlineArray<16, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &words) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      for index in 1..<old.used where old.isLive(index) {
        let record = LogRecord(offset: old.half + index * Self.recordSize)
        live -= 1
        guard record.load(bytes) else { continue }
        let name = Fingerprint(rawValue: bytes.load64(at: At.fingerprint))
        if name.rawValue != 0, live >= kept { continue }
        bytes.store32(Self.total(bytes, name), at: At.base)
        _ = new.append(bytes)
      }
    }
    if new.writeHeader(target, generation: generation &+ 1) { self = new }
  }

  /// The next record behind `position` that counts crashes, its 64 bytes and its total.
  ///
  /// - Parameter position: 0 to begin; then the position answered last.
  public func nextCrash(
    after position: UInt32, _ bytes: UnsafeMutableRawPointer
  ) -> (position: UInt32, total: UInt32)? {
    var index = position
    while index + 1 < used {
      index += 1
      guard isLive(index) else { continue }
      guard LogRecord(offset: half + index * Self.recordSize).load(bytes) else { continue }
      let name = Fingerprint(rawValue: bytes.load64(at: At.fingerprint))
      guard name.rawValue != 0 else { continue }
      return (index, Self.total(bytes, name))
    }
    return nil
  }

  /// Whether a record is the one that its fingerprint is counted with.
  private func isLive(_ index: UInt32) -> Bool {
    var name: UInt64 = 0
    let offset = half + index * Self.recordSize
    withUnsafeMutablePointer(to: &name) { LogRecord(offset: offset).read(0, $0, count: 8) }
    return find(Fingerprint(rawValue: name.littleEndian))?.offset == offset
  }

  private mutating func start(_ offset: UInt32, generation: UInt32) -> Bool {
    let size = capacity * Self.recordSize
    return Self.erase(offset, size, halFlashGeometry().sectorSize)
      && writeHeader(offset, generation: generation)
  }

  private static func erase(_ offset: UInt32, _ size: UInt32, _ sector: UInt32) -> Bool {
    var at = offset
    do throws(FlashError) {
      while at < offset + size {
        halWatchdogFeed()
        try Flash.erase(at)
        at += sector
      }
      return true
    } catch {
      return false
    }
  }

  private func writeHeader(_ offset: UInt32, generation: UInt32) -> Bool {
    var words = InlineArray<4, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      bytes.store32(Self.magic, at: 0)
      bytes.store32(generation, at: 4)
      bytes.store32(CRC32C.checksum(bytes, count: 8), at: 8)
      do throws(FlashError) {
        try Flash.write(offset, bytes, count: 12)
        try Flash.mark(offset + Self.headerMark)
        return true
      } catch {
        return false
      }
    }
  }

  /// The generation that a half's header tells; `nil` when it is not intact.
  private static func generation(_ offset: UInt32) -> UInt32? {
    var words = InlineArray<4, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &words) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      LogRecord(offset: offset).read(0, bytes, count: 12)
      guard bytes.load32(at: 0) == magic,
        bytes.load32(at: 8) == CRC32C.checksum(bytes, count: 8)
      else { return nil }
      return bytes.load32(at: 4)
    }
  }
}

extension LogRecord {
  /// What was counted before this record.
  var base: UInt32 {
    var base: UInt32 = 0
    withUnsafeMutablePointer(to: &base) { read(UInt32(StateLog.At.base), $0, count: 4) }
    return base.littleEndian
  }
}
