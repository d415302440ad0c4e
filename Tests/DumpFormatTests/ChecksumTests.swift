// The checksum and the fingerprint against values computed elsewhere.

import DumpFormat
import Testing

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
      for byte in bytes[cut...] { crc.update(byte) }
      #expect(crc.value == checksum(bytes))
    }
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
