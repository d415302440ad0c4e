// Builds dumps out of the format's own encoders.

import DumpFormat

/// A dump with a core block, a memory block and an end block.
struct DumpBuilder {
  var key = DumpKey(bootCount: 1, sequence: 1)
  var kind = CrashKind.usageFault
  /// What the memory block holds.
  var memory: [UInt8] = Array("stack".utf8)
  var pc: UInt32 = 0x1234
  var hasBlocks = true

  func bytes() -> [UInt8] {
    let body = hasBlocks ? blocks() : memory
    var header = DumpHeader(kind: kind, key: key)
    header.fingerprint = Fingerprint(rawValue: 0x0102_0304_0506_0708)
    header.uptime = 1_500_000
    for i in 0..<BuildID.count { header.buildID.bytes[i] = UInt8(i + 1) }
    for (i, byte) in "1.2.3".utf8.enumerated() { header.version[i] = byte }
    let commit = DumpCommit(
      bodyLength: UInt32(body.count), bodyCRC: body.withUnsafeBytes { CRC32C.checksum($0) },
      isTruncated: false)
    var prologue = [UInt8](repeating: 0, count: DumpPrologue.size)
    prologue.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress {
        DumpPrologue(header: header, commit: commit).encode(to: base)
      }
    }
    return prologue + body
  }

  private func blocks() -> [UInt8] {
    var core = [UInt32](repeating: 0, count: 26)
    core[13] = 0x8_0000
    core[14] = 0x567
    core[15] = pc
    core[24] = 1
    let preamble = words([0x8_0000]) + [1, 0, 0, 0]
    return block(.core, words(core)) + block(.memory, preamble + memory) + block(.end, words([2]))
  }

  private func block(_ type: BlockType, _ content: [UInt8]) -> [UInt8] {
    let header = BlockHeader(type: type, length: UInt32(content.count))
    var bytes = [UInt8](repeating: 0, count: BlockHeader.size)
    bytes.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress { header.encode(to: base) }
    }
    return bytes + content + [UInt8](repeating: 0, count: Int(header.padding))
  }

  private func words(_ values: [UInt32]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  }
}
