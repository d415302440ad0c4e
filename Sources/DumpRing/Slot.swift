// One slot of the ring as its first page tells it (docs/formats/ring.md).

import BoardHAL
import DumpFormat

/// The version this code writes and reads.
///
/// - 1: first version.
/// - 2: a mark that takes a slot out of use; state log in place of the boot counter's sectors.
public let ringFormatVersion: UInt8 = 2

/// Where things lie in a slot, bytes from its start.
public enum SlotLayout {
  /// Bytes that tell a slot's state.
  static let page: UInt32 = 256
  static let eraseCount = 8
  static let readyMarkSize = 16
  static let releasedMark: UInt32 = 32
  /// Programmed when the dump's commit was: the commit is then known to be stable.
  static let settledMark: UInt32 = 40
  /// Programmed when the boot agent has held the dump's body against its checksum.
  static let verifiedMark: UInt32 = 48
  /// Programmed when the slot turned out not to erase or not to keep what it is told.
  static let retiredMark: UInt32 = 56
  /// Bits of it from which on it counts: more than text or other foreign data has there.
  static let retiredBits = 56
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

/// What a slot holds, in the order in which slots are given up, ready and retired ones apart.
public enum SlotState: UInt8, Equatable, Sendable {
  /// Has to be erased before use; nothing in it counts.
  case dirty = 0
  /// A dump that was delivered or dropped.
  case released = 1
  /// A dump that waits to be forwarded.
  case waiting = 2
  /// Erased, and proved to be.
  case ready = 3
  /// Not to be used any more.
  case retired = 4
}

/// What the ring remembers of a slot between its mount and the next reset.
public struct Slot: Sendable {
  public internal(set) var state: SlotState
  /// The body was found to be whole.
  public internal(set) var isVerified = false
  /// The capture ended, its commit is stable.
  var isSettled = false
  /// How often it was erased; ``unknownCount`` when its mark does not tell.
  public internal(set) var eraseCount = Slot.unknownCount
  /// Known when a dump waits or was released.
  public internal(set) var key = DumpKey(bootCount: 0, sequence: 0)
  public internal(set) var fingerprint = Fingerprint(rawValue: 0)
  /// Bytes of the whole dump.
  public internal(set) var dumpLength: UInt32 = 0

  public static let unknownCount: UInt32 = .max
}
