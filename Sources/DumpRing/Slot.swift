// One slot of the ring as its first page tells it (docs/formats/ring.md).

import BoardHAL
import DumpFormat

/// The version this code writes and reads.
///
/// - 1: first version.
public let ringFormatVersion: UInt8 = 1

/// Where things lie in a slot, bytes from its start.
public enum SlotLayout {
  /// Bytes that tell a slot's state.
  static let page: UInt32 = 256
  static let readyMark: UInt32 = 0
  static let readyMarkSize = 16
  static let releasedMark: UInt32 = 32
  /// Programmed when the dump's commit was: the commit is then known to be stable.
  static let settledMark: UInt32 = 40
  /// Programmed when the boot agent has held the dump's body against its checksum.
  static let verifiedMark: UInt32 = 48
  /// Where the dump begins.
  public static let dump: UInt32 = 128
  /// Where the dump's commit lies.
  static let commit: UInt32 = 224
  /// Where the commit's mark and checksum lie: 8 bytes without which there is no commit.
  static let commitEnd: UInt32 = 248
  /// Where the dump's body begins.
  static let body: UInt32 = 256
  /// "RDY1", little endian.
  static let readyMagic: UInt32 = 0x3159_4452

  /// The ready mark's second word: the format's version and the size of the ring's slots, a multiple
  /// of 256.
  static func version(slotSize: UInt32) -> UInt32 { UInt32(ringFormatVersion) | slotSize }
}

/// What a slot holds.
public enum SlotState: Equatable, Sendable {
  /// Has to be erased before use; nothing in it counts.
  case dirty
  /// Erased, and proved to be.
  case ready
  /// A dump that waits to be forwarded.
  case waiting
  /// A dump that was delivered or dropped.
  case released
}

/// A slot's first page, read once and understood.
public struct Slot {
  /// Number of the slot in the ring, from 0.
  public var index: UInt32
  public var state: SlotState
  /// How often it was erased; `nil` when its mark does not tell.
  public var eraseCount: UInt32?
  /// Known when a dump waits or was released.
  public var key = DumpKey(bootCount: 0, sequence: 0)
  public var fingerprint = Fingerprint(rawValue: 0)
  /// Bytes of the whole dump.
  public var dumpLength: UInt32 = 0
  /// Bits of the released mark that are programmed, of 64.
  var releasedBits = 0
  /// The capture ended, its commit is stable.
  var isSettled = false
  /// The body was found to be whole.
  var isVerified = false
  /// A capture that never ended.
  var isUnfinished = false

  /// - Parameters:
  ///   - page: the first 256 bytes of the slot.
  ///   - size: bytes of the whole slot.
  init(index: UInt32, page: UnsafeRawPointer, size: UInt32) {
    self.index = index
    state = .dirty
    if Self.hasMark(page) {
      // Of another version, or of a ring with other slots: nothing in it is known.
      guard page.load32(at: 4) == SlotLayout.version(slotSize: size) else { return }
      eraseCount = page.load32(at: 8)
    }
    let prologue = UnsafeRawBufferPointer(
      start: page + Int(SlotLayout.dump), count: DumpPrologue.size)
    do throws(DumpFormatError) {
      let header = try DumpHeader(decoding: prologue)
      isUnfinished = page.load32(at: Int(SlotLayout.commitEnd)) != 0
      let commit = try DumpCommit(
        decoding: UnsafeRawBufferPointer(rebasing: prologue[DumpHeader.size...]))
      guard commit.bodyLength <= size - SlotLayout.body else { return }
      isUnfinished = false
      key = header.key
      fingerprint = header.fingerprint
      dumpLength = UInt32(DumpPrologue.size) + commit.bodyLength
      isSettled = Flash.programmedBits(page + Int(SlotLayout.settledMark)) >= 32
      isVerified = Flash.programmedBits(page + Int(SlotLayout.verifiedMark)) >= 32
      releasedBits = Flash.programmedBits(page + Int(SlotLayout.releasedMark))
      state = releasedBits >= 32 ? .released : .waiting
    } catch {
      if eraseCount != nil, Self.isBlank(page) { state = .ready }
    }
  }

  private static func hasMark(_ page: UnsafeRawPointer) -> Bool {
    page.load32(at: 0) == SlotLayout.readyMagic
      && page.load32(at: 12) == CRC32C.checksum(UnsafeRawBufferPointer(start: page, count: 12))
  }

  private static func isBlank(_ page: UnsafeRawPointer) -> Bool {
    for offset in stride(from: SlotLayout.readyMarkSize, to: Int(SlotLayout.page), by: 4)
    where page.load32(at: offset) != .max {
      return false
    }
    return true
  }
}
