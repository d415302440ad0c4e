// How Martlet divides the RAM that a warm reset keeps (docs/formats/ring.md, Retained RAM).

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing
import DumpSealing

/// Places in retained RAM, bytes from its start.
enum RetainedLayout {
  static let keys = 128
  static let leftDump = 384
  static let breadcrumbs = 1600
  static let lastCrashes = 2120
}

/// The consent gate in this board's retained RAM. Contexts: boot, app, fault.
public func consentGate() -> ConsentGate { ConsentGate(memory: halRetained().start) }

/// The keys that dumps are sealed with, in this board's retained RAM. Contexts: boot, app, fault.
public func sealingKeys() -> SealingKeys {
  SealingKeys(memory: halRetained().start + RetainedLayout.keys)
}

/// The register-only dump that the fault path leaves in retained RAM when flash could not take one.
/// Changes want guarded memory to be open.
public struct LeftDump {
  /// "MLD2", little endian.
  private static let magic: UInt32 = 0x3244_4C4D
  /// Bytes a left-behind dump may have.
  public static let capacity = RetainedLayout.breadcrumbs - RetainedLayout.leftDump - 8

  private let memory: UnsafeMutableRawPointer

  /// The place in this board's retained RAM. Contexts: boot, app, fault.
  public init() { memory = halRetained().start + RetainedLayout.leftDump }

  /// Where the dump's bytes go, and lie.
  public var start: UnsafeMutableRawPointer { memory + 8 }

  /// Ends a dump that was written to ``start`` and makes it count. It is checked by its own checksums
  /// when read.
  func finish(_ writer: inout DumpWriter) {
    do throws(FlashError) {
      memory.store32(try writer.finish(), at: 4)
      memory.store32(Self.magic, at: 0)
    } catch {
      // Memory does not fail.
    }
  }

  /// Removes the dump, its bytes included.
  public func clear() { memory.clear(8 + Self.capacity) }

  /// The dump's length, when a whole and undamaged one is there; otherwise 0.
  public var length: UInt32 {
    let raw = UnsafeRawPointer(memory)
    let length = raw.load32(at: 4)
    let prologue = UInt32(DumpPrologue.size)
    let dump = UnsafeRawPointer(start)
    guard raw.load32(at: 0) == Self.magic, length > prologue, length <= UInt32(Self.capacity),
      PrologueLayout.isHeader(dump), PrologueLayout.isCommit(dump + DumpHeader.size),
      dump.load32(at: PrologueLayout.bodyLength) == length - prologue,
      dump.load32(at: PrologueLayout.bodyCRC)
        == CRC32C.checksum(dump + DumpPrologue.size, count: Int(length - prologue))
    else { return 0 }
    return length
  }
}

/// When a fingerprint was last seen to crash, for as long as power stays on: places by the lowest bits
/// of the fingerprint, so that a crash costs four words and a newer one may take an older one's place.
public struct LastCrash {
  public var boot: UInt32
  /// Seconds since power-on.
  public var uptime: UInt32

  private static let places: UInt32 = 64
  private static let salt: UInt32 = 0x4C53_5443

  private static func place(_ fingerprint: Fingerprint) -> UnsafeMutableRawPointer {
    halRetained().start + RetainedLayout.lastCrashes
      + Int(fingerprint.rawValue.low & (places - 1)) * 16
  }

  /// Remembers a crash. Guarded memory is open.
  public static func note(_ fingerprint: Fingerprint, boot: UInt32, uptime: UInt32) {
    let place = place(fingerprint)
    place.store32(fingerprint.rawValue.high, at: 0)
    place.store32(boot, at: 4)
    place.store32(uptime, at: 8)
    place.store32(fingerprint.rawValue.high ^ boot ^ uptime ^ salt, at: 12)
  }

  /// The last crash of a fingerprint since power-on, if it is still known. Contexts: boot, app.
  public static func find(_ fingerprint: Fingerprint) -> LastCrash? {
    let place = UnsafeRawPointer(place(fingerprint))
    let boot = place.load32(at: 4)
    let uptime = place.load32(at: 8)
    let high = fingerprint.rawValue.high
    guard place.load32(at: 0) == high, place.load32(at: 12) == high ^ boot ^ uptime ^ salt else {
      return nil
    }
    return LastCrash(boot: boot, uptime: uptime)
  }
}
