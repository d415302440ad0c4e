// A count of boots that survives every power cut and wears flash by one bit a boot.

import BoardHAL
import DumpFormat

/// The persistent boot count (docs/formats/ring.md, Boot counter). Contexts: boot.
public struct BootCounter {
  private let base: UInt32
  private let sectorSize: UInt32
  private static let tally: UInt32 = 16
  /// "MBT1", little endian.
  private static let magic: UInt32 = 0x3154_424D

  /// Uses the first two sectors of the board's state area; `nil` when it has fewer.
  public init?(geometry: FlashGeometry) {
    guard geometry.size > 0, geometry.stateSize >= 2 * geometry.sectorSize else { return nil }
    base = geometry.stateOffset
    sectorSize = geometry.sectorSize
  }

  /// Counts this boot and returns its number, from 1. Each call counts one boot more.
  public func countBoot() throws(FlashError) -> UInt32 {
    let first = try read(0)
    let second = try read(1)
    guard let current = Self.newer(first, second) else {
      return try start(sector: 0, after: 0)
    }
    let count = current.start &+ current.cleared
    guard current.cleared < (sectorSize - Self.tally) * 8 else {
      return try start(sector: 1 - current.sector, after: count)
    }
    // What was written last may have been left undecided by a cut: programming it again decides it.
    if current.cleared > 0 {
      try clear(bits: current.cleared, in: current.sector)
    } else {
      try writeHeader(of: current.sector, start: current.start)
    }
    try clear(bits: current.cleared + 1, in: current.sector)
    return count &+ 1
  }

  private struct Sector {
    var sector: UInt32
    var start: UInt32
    var cleared: UInt32
  }

  private static func newer(_ a: Sector?, _ b: Sector?) -> Sector? {
    guard let a else { return b }
    guard let b else { return a }
    return a.start &+ a.cleared >= b.start &+ b.cleared ? a : b
  }

  private func read(_ sector: UInt32) throws(FlashError) -> Sector? {
    let offset = base + sector * sectorSize
    var header = InlineArray<3, UInt32>(repeating: 0)
    let start = try withUnsafeMutableBytes(of: &header) {
      bytes throws(FlashError) -> UInt32? in
      try Flash.read(offset, into: bytes)
      let raw = UnsafeRawBufferPointer(bytes)
      guard let at = raw.baseAddress, at.load32(at: 0) == Self.magic,
        at.load32(at: 8) == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: raw[0..<8]))
      else { return nil }
      return at.load32(at: 4)
    }
    guard let start else { return nil }
    // Cleared bits are a prefix: find the last byte that is not blank by halving.
    var low: UInt32 = 0
    var high = sectorSize - Self.tally
    while low < high {
      let middle = (low + high) / 2
      if try byte(at: offset + Self.tally + middle) == 0 { low = middle + 1 } else { high = middle }
    }
    var cleared = low * 8
    if low < sectorSize - Self.tally {
      let last = try byte(at: offset + Self.tally + low)
      cleared += UInt32((~last).nonzeroBitCount)
    }
    return Sector(sector: sector, start: start, cleared: cleared)
  }

  private func byte(at offset: UInt32) throws(FlashError) -> UInt8 {
    var byte: UInt8 = 0
    try withUnsafeMutableBytes(of: &byte) { bytes throws(FlashError) in
      try Flash.read(offset, into: bytes)
    }
    return byte
  }

  /// Programs the byte that holds the last of the first `bits` bits.
  private func clear(bits: UInt32, in sector: UInt32) throws(FlashError) {
    let last = bits - 1
    var value = UInt8(truncatingIfNeeded: 0xFE << (last & 7))
    try withUnsafeBytes(of: &value) { bytes throws(FlashError) in
      try Flash.program(base + sector * sectorSize + Self.tally + last / 8, bytes)
    }
  }

  /// Counts the first boot in a sector of its own. The header alone counts none, so that a header
  /// that a cut left undecided gives no number away.
  private func start(sector: UInt32, after count: UInt32) throws(FlashError) -> UInt32 {
    try Flash.erase(base + sector * sectorSize)
    try writeHeader(of: sector, start: count)
    try clear(bits: 1, in: sector)
    return count &+ 1
  }

  private func writeHeader(of sector: UInt32, start: UInt32) throws(FlashError) {
    var header = InlineArray<3, UInt32>(repeating: 0)
    header[0] = Self.magic.littleEndian
    header[1] = start.littleEndian
    let crc = withUnsafeBytes(of: &header) { bytes in
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[0..<8]))
    }
    header[2] = crc.littleEndian
    try withUnsafeBytes(of: &header) { bytes throws(FlashError) in
      try Flash.program(base + sector * sectorSize, bytes)
    }
  }
}
