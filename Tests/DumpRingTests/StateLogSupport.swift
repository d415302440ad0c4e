// What the tests of the state log share: logs written byte by byte, and the steps of a boot and a crash.

import BoardHAL
import DumpFormat
@testable import DumpRing
import MartletTestKit

/// The record that counts boots.
let boots = Fingerprint(rawValue: 0)

func name(_ value: UInt64) -> Fingerprint { Fingerprint(rawValue: value) }

/// A record as docs/formats/ring.md tells it.
struct ImageRecord {
  var fingerprint: UInt64 = 0
  var base: UInt32 = 0
  var firstBoot: UInt32 = 0
  var lastBoot: UInt32 = 0
  /// Programmed bits of the tally.
  var bits = 0

  static func boots(base: UInt32 = 0, _ count: Int) -> ImageRecord {
    ImageRecord(base: base, bits: count)
  }

  static func crashes(_ fingerprint: UInt64, base: UInt32 = 0, _ count: Int) -> ImageRecord {
    ImageRecord(fingerprint: fingerprint, base: base, firstBoot: 1, lastBoot: 1, bits: count * 8)
  }

  var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 32) + [UInt8](repeating: 0xFF, count: 32)
    bytes.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      base.store64(fingerprint, at: 0)
      base.store32(self.base, at: 8)
      base.store32(firstBoot, at: 12)
      base.store32(lastBoot, at: 20)
      base.store32(CRC32C.checksum(base, count: 28), at: 28)
      for bit in 0..<bits { raw[32 + bit / 8] &= ~(1 << UInt8(bit % 8)) }
    }
    return bytes
  }
}

/// A half's header and records, to its end.
func halfImage(generation: UInt32, _ records: [ImageRecord], sectors: Int = 2) -> [UInt8] {
  var header = [UInt8](repeating: 0, count: 12)
  header.withUnsafeMutableBytes { raw in
    guard let base = raw.baseAddress else { return }
    base.store32(0x314C_534D, at: 0)
    base.store32(generation, at: 4)
    base.store32(CRC32C.checksum(base, count: 8), at: 8)
  }
  // Bytes 16 to 23: the settled mark.
  let mark = [UInt8](repeating: 0xFF, count: 4) + [UInt8](repeating: 0, count: 8)
  let rest = [UInt8](repeating: 0xFF, count: 40)
  let image = header + mark + rest + records.flatMap(\.bytes)
  return image + [UInt8](repeating: 0xFF, count: sectors * 4096 - image.count)
}

/// Finds the log, makes room and counts the boot, as the boot agent does. The number is 0 when flash did
/// not take it.
func boot() -> Booted { Booted() }

/// A boot: the log and its number.
struct Booted {
  var log: StateLog?
  let number: UInt32

  init() {
    let geometry = halFlashGeometry()
    log = StateLog(geometry: geometry)
    log?.makeRoom(geometry: geometry)
    number = log?.countBoot() ?? 0
  }

  /// Crashes counted of a fingerprint.
  func total(_ value: UInt64) -> UInt32? { log?.total(value) }
}

extension StateLog {
  /// Counts a crash as the fault path does; `nil` when flash did not take it.
  mutating func crash(_ value: UInt64, boot: UInt32 = 1, uptime: UInt32 = 10) -> UInt32? {
    count(name(value), in: find(name(value)), boot: boot, uptime: uptime)
  }

  /// Crashes counted of a fingerprint.
  func total(_ value: UInt64) -> UInt32 { find(name(value))?.total ?? 0 }

  /// Every count that the link would give, in order.
  var crashes: [(fingerprint: UInt64, total: UInt32)] {
    var all: [(UInt64, UInt32)] = []
    var position: UInt32 = 0
    var record = InlineArray<16, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &record) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      while let next = nextCrash(after: position, bytes) {
        all.append((bytes.load64(at: At.fingerprint), next.total))
        position = next.position
      }
    }
    return all
  }
}
