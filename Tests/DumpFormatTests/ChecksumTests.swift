// The checksum and the fingerprint against values computed elsewhere.

import MartletTestKit
import Testing

@testable import DumpFormat

private func checksum(_ bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBytes { CRC32C.checksum($0) }
}

@Suite struct ChecksumTests {
  @Test func `the check value of RFC 3720 comes out`() {
    #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
  }

  /// RFC 3720, B.4.
  @Test func `the examples of RFC 3720 come out`() {
    #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
    #expect(checksum((0..<32).map { UInt8(31 - $0) }) == 0x113F_DB5C)
    #expect(checksum([]) == 0)
  }

  @Test func `bytes fed in pieces give the checksum of the whole`() {
    let bytes = (0..<301).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    for cut in [0, 1, 7, 150, 300, 301] {
      var crc = CRC32C()
      bytes[..<cut].withUnsafeBytes { crc.update($0) }
      for byte in bytes[cut...] {
        withUnsafeBytes(of: byte) { crc.update($0) }
      }
      #expect(crc.value == checksum(bytes))
    }
  }

  /// Bit by bit, as the polynomial is defined.
  private func bitwise(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var crc: UInt32 = .max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
    }
    return ~crc
  }

  @Test func `any alignment and length gives what the polynomial says`() {
    var generator = SeededGenerator.fromEnvironment()
    let noise = generator.bytes(192)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 192, alignment: 8)
    defer { memory.deallocate() }
    memory.copyBytes(from: noise)
    for start in 0..<8 {
      for length in 0...180 {
        let run = UnsafeRawBufferPointer(rebasing: memory[start..<start + length])
        #expect(CRC32C.checksum(run) == bitwise(noise[start..<start + length]))
        guard let base = run.baseAddress else { continue }
        // In two pieces, the second at another alignment.
        let cut = Int.random(in: 0...length, using: &generator)
        var crc = CRC32C()
        crc.update(base, count: cut)
        crc.update(base + cut, count: length - cut)
        #expect(crc.value == bitwise(noise[start..<start + length]), "\(start), \(length), \(cut)")
        // As firmware does it.
        var firmware = CRC32C()
        firmware.feed(base, count: cut)
        firmware.feed(base + cut, count: length - cut)
        #expect(firmware.value == crc.value, "\(start), \(length), \(cut)")
        // As hosts do it whose processor has no instruction for it.
        #expect(~CRC32C.tableState(.max, after: run) == crc.value, "\(start), \(length)")
      }
    }
    #expect(CRC32C().value == 0)
    #expect(CRC32C.checksum(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
  }

  /// FNV-1a computed byte by byte as docs/formats/dump.md tells it.
  @Test(arguments: [(0x1234, 0x567), (0, 0), (nil, nil), (0x1234, nil)] as [(UInt32?, UInt32?)])
  func `a fingerprint is FNV-1a over 29 bytes`(pc: UInt32?, lr: UInt32?) {
    var id = BuildID()
    for i in 0..<20 { id.bytes[i] = UInt8(0xB0 + i) }
    let numbers = [pc ?? .max, lr ?? .max].flatMap { number in
      (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) }
    }
    let bytes = (0..<20).map { UInt8(0xB0 + $0) } + [CrashKind.busFault.rawValue] + numbers
    #expect(bytes.count == 29)
    let expected = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
      (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
    #expect(Fingerprint(buildID: id, kind: .busFault, pc: pc, lr: lr).rawValue == expected)
  }

  /// Computed with another program: what boards in the field have said must stay true.
  @Test func `a fingerprint stays what it was`() {
    var id = BuildID()
    for i in 0..<20 { id.bytes[i] = UInt8(0xB0 + i) }
    let known: [(CrashKind, UInt32?, UInt32?, UInt64)] = [
      (.busFault, 0x1234, 0x567, 0xD06E_C6D7_96F7_DA5C),
      (.watchdogReset, nil, nil, 0xF31B_FC87_0EC0_89E9),
      (.hardFault, 0, 0, 0xBBA0_525B_5BBB_56A0),
    ]
    for (kind, pc, lr, value) in known {
      #expect(Fingerprint(buildID: id, kind: kind, pc: pc, lr: lr).rawValue == value)
      // The way that firmware takes, from any address.
      let bytes = [0] + id.bytes.array
      bytes.withUnsafeBytes { raw in
        guard let base = raw.baseAddress else { return }
        #expect(
          Fingerprint(buildID: base + 1, kind: kind, pc: pc ?? .max, lr: lr ?? .max).rawValue
            == value)
      }
    }
  }

  @Test func `a fingerprint changes with each of its parts`() {
    var other = BuildID()
    other.bytes[19] = 1
    let all: Set<UInt64> = [
      Fingerprint(buildID: BuildID(), kind: .crash, pc: 4, lr: 8).rawValue,
      Fingerprint(buildID: other, kind: .crash, pc: 4, lr: 8).rawValue,
      Fingerprint(buildID: BuildID(), kind: .abort, pc: 4, lr: 8).rawValue,
      Fingerprint(buildID: BuildID(), kind: .crash, pc: 6, lr: 8).rawValue,
      Fingerprint(buildID: BuildID(), kind: .crash, pc: 4, lr: 10).rawValue,
      Fingerprint(buildID: BuildID(), kind: .crash, pc: 8, lr: 4).rawValue,
    ]
    #expect(all.count == 6)
  }

  @Test func `widened numbers keep their value`() {
    for number in [0, 1, 0x8000_0000, .max, 0x1234_5678] as [UInt32] {
      #expect(UInt64(widening: number) == UInt64(number))
    }
  }

  @Test func `keys sort by boot count, then by sequence`() {
    let keys = [(2, 1), (1, 2), (1, 1), (0, 3)].map { DumpKey(bootCount: $0.0, sequence: $0.1) }
    #expect(
      keys.sorted().map { [$0.bootCount, $0.sequence] } == [[0, 3], [1, 1], [1, 2], [2, 1]])
  }
}
