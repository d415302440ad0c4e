// The prologue against docs/formats/dump.md: every field where the table has it, every damage noticed.

import DumpFormat
import MartletTestKit
import Testing

/// A prologue in which every field has a value of its own.
private func sampleHeader() -> DumpHeader {
  var header = DumpHeader(
    kind: .busFault, key: DumpKey(bootCount: 0x0403_0201, sequence: 0x0807_0605))
  header.isRegisterOnly = true
  header.isNested = true
  header.fingerprint = Fingerprint(rawValue: 0x1817_1615_1413_1211)
  header.uptime = 0x2827_2625_2423_2221
  for i in 0..<20 { header.buildID.bytes[i] = UInt8(0xB0 + i) }
  for (i, byte) in "3.14.15".utf8.enumerated() { header.version[i] = byte }
  header.resetCause = .watchdog
  header.component = 1
  header.consentEpoch = 0x3433_3231
  header.occurrences = 0x3837_3635
  return header
}

private func bytes(_ count: Int, _ fill: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
  var result = [UInt8](repeating: 0xEE, count: count)
  result.withUnsafeMutableBytes { if let base = $0.baseAddress { fill(base) } }
  return result
}

private func sealHeader(_ header: inout [UInt8]) {
  let crc = header.prefix(92).withUnsafeBytes { CRC32C.checksum($0) }
  for i in 0..<4 { header[92 + i] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(i))) }
}

private func decodeHeader(_ bytes: [UInt8]) throws(DumpFormatError) -> DumpHeader {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try DumpHeader(decoding: UnsafeRawBufferPointer(rebasing: copy[..<bytes.count]))
}

private func verify(_ bytes: [UInt8]) throws(DumpFormatError) -> DumpPrologue {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try DumpPrologue(verifyingDump: UnsafeRawBufferPointer(rebasing: copy[..<bytes.count]))
}

@Suite struct PrologueTests {
  @Test func `a header lies byte by byte where the format says`() {
    let header = bytes(DumpHeader.size) { sampleHeader().encode(to: $0) }
    var golden: [UInt8] = [0x4D, 0x44, 0x4D, 0x50, 2, 0, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8]
    golden += [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]
    golden += [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]
    golden += (0..<20).map { UInt8(0xB0 + $0) }
    golden += Array("3.14.15".utf8) + [UInt8](repeating: 0, count: 9)
    golden += [2, 1, 0, 0, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38]
    golden += [UInt8](repeating: 0, count: 12)
    #expect(Array(header.prefix(92)) == golden)
    var sealed = header
    sealHeader(&sealed)
    #expect(sealed == header)
  }

  @Test func `a commit lies byte by byte where the format says`() {
    let commit = bytes(DumpCommit.size) {
      DumpCommit(bodyLength: 0x0001_0203, bodyCRC: 0xA1A2_A3A4, isTruncated: true).encode(to: $0)
    }
    var golden: [UInt8] = [3, 2, 1, 0, 0xA4, 0xA3, 0xA2, 0xA1, 1, 0, 0, 0]
    golden += [UInt8](repeating: 0, count: 12) + [0x44, 0x4F, 0x4E, 0x45]
    #expect(Array(commit.prefix(28)) == golden)
    let crc = commit.prefix(28).withUnsafeBytes { CRC32C.checksum($0) }
    #expect((0..<4).map { UInt8(truncatingIfNeeded: crc >> (8 * UInt32($0))) } == commit.suffix(4))
  }

  @Test func `a header comes back field by field`() throws {
    let header = try decodeHeader(bytes(DumpHeader.size) { sampleHeader().encode(to: $0) })
    let sample = sampleHeader()
    #expect(header.kind == .busFault && header.isRegisterOnly && header.isNested)
    #expect(header.encoding == .blocks)
    #expect(header.key == sample.key)
    #expect(header.fingerprint == sample.fingerprint)
    #expect(header.uptime == sample.uptime)
    #expect(header.buildID == sample.buildID)
    #expect(sample.version.indices.allSatisfy { header.version[$0] == sample.version[$0] })
    #expect(header.resetCause == .watchdog && header.component == 1)
    #expect(header.consentEpoch == sample.consentEpoch)
    #expect(header.occurrences == sample.occurrences)
  }

  @Test func `every bit flipped in a dump is noticed`() throws {
    let dump = DumpBuilder.sample().build()
    _ = try verify(dump)
    for bit in 0..<dump.count * 8 {
      var flipped = dump
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: DumpFormatError.self, "bit \(bit)") { _ = try verify(flipped) }
    }
  }

  @Test func `every dump cut short is noticed`() {
    let dump = DumpBuilder.sample().build()
    for length in 0..<dump.count {
      #expect(throws: length < 128 ? .tooShort : DumpFormatError.lengthMismatch) {
        _ = try verify(Array(dump.prefix(length)))
      }
    }
    #expect(throws: DumpFormatError.lengthMismatch) { _ = try verify(dump + [0]) }
  }

  @Test func `another magic, version or field is told apart`() {
    let good = bytes(DumpHeader.size) { sampleHeader().encode(to: $0) }
    func changed(_ offset: Int, _ value: UInt8) -> [UInt8] {
      var header = good
      header[offset] = value
      sealHeader(&header)
      return header
    }
    #expect(throws: DumpFormatError.notADump) { _ = try decodeHeader(changed(0, 0)) }
    for version in [0, 1, 3, 255] as [UInt8] {
      #expect(throws: DumpFormatError.unknownVersion) {
        _ = try decodeHeader(changed(4, version))
      }
    }
    for (offset, value) in [(5, 2), (5, 255), (6, 0), (6, 15), (68, 6)] as [(Int, UInt8)] {
      #expect(throws: DumpFormatError.invalidField) {
        _ = try decodeHeader(changed(offset, value))
      }
    }
    for kind in 1...14 as ClosedRange<UInt8> {
      #expect(throws: Never.self) { _ = try decodeHeader(changed(6, kind)) }
    }
  }

  @Test func `reserved bytes are ignored when they are sealed`() throws {
    var header = bytes(DumpHeader.size) { sampleHeader().encode(to: $0) }
    header[70] = 0xFF
    header[85] = 0x77
    header[7] |= 0xF0
    sealHeader(&header)
    #expect(try decodeHeader(header).key == sampleHeader().key)
  }

  @Test func `a dump longer than the format allows is refused`() {
    var prologue = bytes(DumpPrologue.size) {
      let commit = DumpCommit(bodyLength: (1 << 20) - 127, bodyCRC: 0, isTruncated: false)
      DumpPrologue(header: sampleHeader(), commit: commit).encode(to: $0)
    }
    #expect(throws: DumpFormatError.invalidField) { _ = try verify(prologue) }
    prologue = bytes(DumpPrologue.size) {
      let commit = DumpCommit(bodyLength: (1 << 20) - 128, bodyCRC: 0, isTruncated: false)
      DumpPrologue(header: sampleHeader(), commit: commit).encode(to: $0)
    }
    #expect(throws: DumpFormatError.lengthMismatch) { _ = try verify(prologue) }
  }

  @Test func `a commit without its mark does not count`() throws {
    let good = bytes(DumpCommit.size) {
      DumpCommit(bodyLength: 4, bodyCRC: 5, isTruncated: false).encode(to: $0)
    }
    #expect(
      try good.withUnsafeBytes { try DumpCommit(decoding: $0) }
        == DumpCommit(bodyLength: 4, bodyCRC: 5, isTruncated: false))
    for blank in [24, 25, 26, 27, 28, 31] {
      var commit = good
      commit[blank] = 0xFF
      #expect(throws: DumpFormatError.notCommitted) {
        _ = try commit.withUnsafeBytes { try DumpCommit(decoding: $0) }
      }
    }
    #expect(throws: DumpFormatError.tooShort) {
      _ = try good.prefix(31).withUnsafeBytes { try DumpCommit(decoding: $0) }
    }
  }
}

/// What firmware writes and reads by offsets is what the structures write and read.
@Suite struct PrologueLayoutTests {
  @Test func `each offset is where the structure keeps its field`() {
    let header = bytes(DumpHeader.size) { sampleHeader().encode(to: $0) }
    header.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      #expect(base.load8(at: PrologueLayout.encoding) == 0)
      #expect(base.load8(at: PrologueLayout.kind) == CrashKind.busFault.rawValue)
      #expect(
        base.load8(at: PrologueLayout.flags)
          == PrologueLayout.registerOnly | PrologueLayout.nested)
      #expect(base.load32(at: PrologueLayout.bootCount) == 0x0403_0201)
      #expect(base.load32(at: PrologueLayout.sequence) == 0x0807_0605)
      #expect(base.load64(at: PrologueLayout.fingerprint) == 0x1817_1615_1413_1211)
      #expect(base.load64(at: PrologueLayout.uptime) == 0x2827_2625_2423_2221)
      #expect(BuildID(at: base + PrologueLayout.buildID) == sampleHeader().buildID)
      #expect(base.load8(at: PrologueLayout.imageVersion) == 0x33)
      #expect(base.load8(at: PrologueLayout.resetCause) == ResetCause.watchdog.rawValue)
      #expect(base.load8(at: PrologueLayout.component) == 1)
      #expect(base.load32(at: PrologueLayout.consentEpoch) == 0x3433_3231)
      #expect(base.load32(at: PrologueLayout.occurrences) == 0x3837_3635)
    }
    #expect(
      PrologueLayout.imageVersion + PrologueLayout.imageVersionSize == PrologueLayout.resetCause)
  }

  @Test(arguments: [false, true])
  func `a prologue written by offsets is the one the structures write`(isTruncated: Bool) {
    let commit = DumpCommit(
      bodyLength: 0x1_0203, bodyCRC: 0xA1A2_A3A4, isTruncated: isTruncated)
    let whole = bytes(DumpPrologue.size) {
      DumpPrologue(header: sampleHeader(), commit: commit).encode(to: $0)
    }
    let byOffsets = bytes(DumpPrologue.size) { dump in
      sampleHeader().encode(to: dump)
      // Magic, version and checksum are the seal's.
      for at in [0, 4, 92, 95] { dump.store8(0x77, at: at) }
      PrologueLayout.sealHeader(dump)
      PrologueLayout.writeCommit(
        dump + DumpHeader.size, bodyLength: 0x1_0203, bodyCRC: 0xA1A2_A3A4,
        isTruncated: isTruncated)
    }
    #expect(byOffsets == whole)
    whole.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      #expect(base.load32(at: PrologueLayout.bodyLength) == 0x1_0203)
      #expect(base.load32(at: PrologueLayout.bodyCRC) == 0xA1A2_A3A4)
      #expect(
        base.load32(at: PrologueLayout.completion) == (isTruncated ? PrologueLayout.truncated : 0))
    }
  }

  @Test func `a header or commit with any bit flipped does not count`() {
    var prologue = bytes(DumpPrologue.size) {
      let commit = DumpCommit(bodyLength: 5, bodyCRC: 6, isTruncated: false)
      DumpPrologue(header: sampleHeader(), commit: commit).encode(to: $0)
    }
    func counts() -> (header: Bool, commit: Bool) {
      prologue.withUnsafeBytes { raw in
        guard let base = raw.baseAddress else { return (false, false) }
        return (PrologueLayout.isHeader(base), PrologueLayout.isCommit(base + DumpHeader.size))
      }
    }
    #expect(counts() == (true, true))
    for bit in 0..<DumpPrologue.size * 8 {
      prologue[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(counts() == (bit >= DumpHeader.size * 8, bit < DumpHeader.size * 8), "bit \(bit)")
      prologue[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  @Test(arguments: [0, 0xFF] as [UInt8])
  func `blank memory holds neither header nor commit`(fill: UInt8) {
    [UInt8](repeating: fill, count: 128).withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      #expect(!PrologueLayout.isHeader(base))
      #expect(!PrologueLayout.isCommit(base + DumpHeader.size))
    }
  }
}

@Suite struct LittleEndianTests {
  @Test func `numbers lie lowest byte first, at any address of the host`() {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 32, alignment: 8)
    defer { memory.deallocate() }
    guard let start = memory.baseAddress else { return }
    for offset in 0..<8 {
      start.store64(0x0807_0605_0403_0201, at: offset)
      #expect(Array(memory[offset..<offset + 8]) == [1, 2, 3, 4, 5, 6, 7, 8])
      #expect(start.load64(at: offset) == 0x0807_0605_0403_0201)
      #expect(start.load32(at: offset + 2) == 0x0605_0403)
      #expect(UnsafeRawPointer(start).load16(at: offset + 1) == 0x0302)
    }
    memory.initializeMemory(as: UInt8.self, repeating: 0xEE)
    start.clear(8, at: 4)
    #expect(
      Array(memory.prefix(16)) == [238, 238, 238, 238] + [UInt8](repeating: 0, count: 8)
        + [238, 238, 238, 238])
  }

  @Test func `halves make the number they came from`() {
    for number in [0, 1, .max, 0x8000_0000, 0x1_0000_0000, 0x1234_5678_9ABC_DEF0] as [UInt64] {
      #expect(UInt64(low: number.low, high: number.high) == number)
    }
  }
}

@Suite struct BlockHeaderTests {
  @Test func `a block header lies where the format says and comes back`() throws {
    var header = BlockHeader(type: .memory, length: 0x0102_0304)
    header.isTruncated = true
    header.isRedacted = true
    let raw = bytes(BlockHeader.size) { header.encode(to: $0) }
    #expect(raw == [7, 0, 3, 0, 4, 3, 2, 1])
    let decoded = try raw.withUnsafeBytes { try BlockHeader(decoding: $0) }
    #expect(decoded.type == .memory && decoded.isTruncated && decoded.isRedacted)
    #expect(decoded.length == 0x0102_0304)
    #expect(throws: DumpFormatError.tooShort) {
      _ = try raw.prefix(7).withUnsafeBytes { try BlockHeader(decoding: $0) }
    }
  }

  @Test func `padding fills whole words`() {
    for (length, padding) in [(0, 0), (1, 3), (2, 2), (3, 1), (4, 0), (5, 3)] as [(UInt32, UInt32)]
    {
      #expect(BlockHeader(type: .reason, length: length).padding == padding)
    }
  }

  @Test func `block types have the numbers of the format`() {
    let types: [BlockType] = [
      .core, .faultStatus, .floatingPoint, .mpu, .nvic, .sysTick, .memory, .redaction,
      .breadcrumbs, .reason, .image,
    ]
    #expect(types.map(\.rawValue) == Array(1...11))
    #expect(BlockType.end.rawValue == 0xFFFF)
  }
}
