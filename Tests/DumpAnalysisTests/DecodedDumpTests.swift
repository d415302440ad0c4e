// A dump gives back what was put in, and lies about lengths are named by block and offset.

import DumpFormat
import MartletTestKit
import Testing

@testable import DumpAnalysis

@Suite struct DecodedDumpTests {
  @Test func `every block comes back as it was written`() throws {
    let dump = try DecodedDump(bytes: DumpBuilder.everything.bytes)
    #expect(dump.version == "1.2.3")
    #expect(dump.core?.r == (0..<13).map { 0x100 + $0 })
    #expect(dump.core?.excReturn == 0xFFFF_FFE9)
    #expect(dump.core?.msp == 0x2000_00E0)
    #expect(dump.core?.exception == 6)
    #expect(dump.faultStatus?.cfsr == 0x0200_8200)
    #expect(dump.faultStatus?.bfar == 0xBEEF_0000)
    #expect(dump.faultStatus?.icsr == 3)
    #expect(dump.floatingPoint?.s == (0..<32).map { 0x3F80_0000 + $0 })
    #expect(dump.floatingPoint?.fpscr == 0x10)
    #expect(dump.mpu?.type == 0x800)
    #expect(dump.mpu?.regions.map(\.rasr) == [0x11, 0x21])
    #expect(dump.nvic?.enabled == [1, 2])
    #expect(dump.nvic?.pending == [3, 4])
    #expect(dump.nvic?.active == [5, 6])
    #expect(dump.sysTick?.calib == 10)
    #expect(dump.memory.map(\.address) == [0x2000_0100, 0x2000_1000])
    #expect(dump.memory.map(\.bytes.count) == [64, 21])
    #expect(dump.memory.map(\.isRedacted) == [false, true])
    #expect(dump.memory.map(\.id) == [0, 9])
    #expect(dump.redactions == [Redaction(address: 0x2000_1004, length: 8)])
    #expect(dump.breadcrumbs == [Breadcrumb(uptime: 1_000_000, id: 1, value: 42)])
    #expect(dump.reason == "tank empty")
    #expect(dump.image?.contains(0x17FF) == true)
    #expect(dump.image?.contains(0x1800) == false)
    #expect(dump.unknownBlocks == [UnknownBlock(type: 0x7777, content: [1, 2, 3])])
    #expect(!dump.isTruncated)
  }

  @Test func `a signature tells kind, registers and image`() throws {
    let dump = try DecodedDump(bytes: DumpBuilder.everything.bytes)
    #expect(
      dump.signature
        == "AppCrash (kind=usageFault; pc=0x00001234; lr=0x00000567; sp=0x20000100; build=1a1b1c1d)"
    )
  }

  @Test func `a dump without registers says unknown, not zero`() throws {
    var builder = DumpBuilder.blank
    builder.header.kind = .watchdogReset
    builder.addEnd()
    let dump = try DecodedDump(bytes: builder.bytes)
    #expect(
      dump.signature
        == "AppCrash (kind=watchdogReset; pc=unknown; lr=unknown; sp=unknown; build=unknown)")
    #expect(dump.core == nil)
  }

  @Test func `registers of a frame that was not read are unknown`() throws {
    var builder = DumpBuilder.blank
    var core = CoreWords()
    core.r = Array(repeating: 5, count: 13)
    (core.sp, core.lr, core.pc, core.flags) = (0x2000_0000, 1, 2, 0)
    builder.add(.core, words: core.words)
    builder.addEnd()
    let decoded = try #require(try DecodedDump(bytes: builder.bytes).core)
    #expect(decoded.r[0...3].allSatisfy { $0 == nil })
    #expect(decoded.r[12] == nil)
    #expect(decoded.r[4...11].allSatisfy { $0 == 5 })
    #expect([decoded.lr, decoded.pc, decoded.xpsr] == [nil, nil, nil])
    #expect(decoded.sp == 0x2000_0000)
  }

  @Test func `fault addresses count only while their bits say so`() throws {
    var builder = DumpBuilder.blank
    builder.add(.faultStatus, words: [0x0000_0082, 0, 0, 0x10, 0x20, 0, 0, 0])
    builder.addEnd()
    let status = try #require(try DecodedDump(bytes: builder.bytes).faultStatus)
    #expect(status.mmfar == 0x10)
    #expect(status.bfar == nil)
  }

  // MARK: - Lies

  @Test func `a length beyond the body is told by block and offset`() {
    var builder = DumpBuilder.blank
    builder.add(.reason, Array("four".utf8))
    builder.add(.sysTick, little(UInt32(1)), claimed: 0xFFFF_FFFF)
    expectMalformed(builder, "Block 1 (sysTick) at offset 12 of the body claims 4294967295 bytes")
  }

  @Test(arguments: [
    (BlockType.core, 26), (.faultStatus, 8), (.floatingPoint, 33), (.sysTick, 4), (.image, 2),
  ])
  func `a block of the wrong size is refused`(type: BlockType, words: Int) {
    for count in [0, words - 1, words + 1] {
      var builder = DumpBuilder.blank
      builder.add(type, words: Array(repeating: 0, count: count))
      builder.addEnd()
      expectMalformed(builder, "holds \(count * 4) bytes instead of \(words * 4)")
    }
  }

  @Test func `an interrupt block that claims too many words is refused`() {
    var builder = DumpBuilder.blank
    builder.add(.nvic, words: [0xFFFF_FFFF, 1, 2, 3])
    builder.addEnd()
    expectMalformed(builder, "claims 4294967295 words of interrupts")
  }

  @Test func `memory and redactions beyond the last address are refused`() {
    var builder = DumpBuilder.blank
    builder.addMemory(at: 0xFFFF_FFFC, [1, 2, 3, 4, 5])
    builder.addEnd()
    expectMalformed(builder, "reaches beyond the last address from 0xfffffffc")
    builder = DumpBuilder.blank
    builder.add(.redaction, words: [0xFFFF_FFFF, 2])
    builder.addEnd()
    expectMalformed(builder, "reaches beyond the last address")
  }

  @Test func `halves of pairs and entries are refused`() {
    for (type, words) in [(BlockType.redaction, 3), (.breadcrumbs, 5), (.mpu, 3), (.memory, 1)] {
      var builder = DumpBuilder.blank
      builder.add(type, words: Array(repeating: 0, count: words))
      builder.addEnd()
      expectMalformed(builder, "Block 0 (\(type.name)) at offset 0 of the body holds")
    }
  }

  @Test func `a missing, lying or early end block is refused`() {
    var builder = DumpBuilder.blank
    builder.add(.reason, [])
    expectMalformed(builder, "no end block")
    builder.add(.end, words: [2])
    expectMalformed(builder, "counts 2 blocks where 1 stand")
    builder = DumpBuilder.blank
    builder.addEnd()
    builder.add(.reason, [])
    expectMalformed(builder, "is not the last: 8 bytes follow")
  }

  @Test func `a second core block is refused`() {
    var builder = DumpBuilder.blank
    builder.add(.core, words: CoreWords().words)
    builder.add(.core, words: CoreWords().words)
    builder.addEnd()
    expectMalformed(builder, "Block 1 (core) at offset 112 of the body is the second of its type")
  }

  private func expectMalformed(
    _ builder: DumpBuilder, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: DumpAnalysisError.self, sourceLocation: sourceLocation) {
      _ = try DecodedDump(bytes: builder.bytes)
    }
    #expect(error?.code == .malformedBlock, sourceLocation: sourceLocation)
    #expect(
      error?.message.contains(words) == true, "\(error?.message ?? "")",
      sourceLocation: sourceLocation)
  }

  // MARK: - Damage

  @Test func `no prefix of a dump is taken for a dump`() {
    let bytes = DumpBuilder.everything.bytes
    for length in bytes.indices {
      #expect(throws: DumpAnalysisError.self) {
        _ = try DecodedDump(bytes: Array(bytes[..<length]))
      }
    }
  }

  @Test func `a dump truncated anywhere is decoded as far as it goes`() throws {
    let whole = DumpBuilder.everything
    let full = try DecodedDump(bytes: whole.bytes)
    var kept = 0
    for length in whole.body.indices {
      var builder = whole
      builder.isTruncated = true
      builder.body = Array(whole.body[..<length])
      let dump = try DecodedDump(bytes: builder.bytes)
      #expect(dump.isTruncated)
      let memory = dump.memory.reduce(0) { $0 + $1.bytes.count }
      #expect(memory >= kept)
      kept = memory
      for (part, block) in zip(dump.memory, full.memory) {
        #expect(block.bytes.starts(with: part.bytes))
        #expect(part.isTruncated == (part.bytes.count < block.bytes.count))
      }
      if let core = dump.core, length < 8 + 4 * CoreRegisters.wordCount {
        #expect(core.pc == nil || length >= 8 + 4 * 25)
      }
      #expect(!DumpReport(dump: dump).text.isEmpty)
    }
    #expect(kept == 85)
  }

  @Test func `a flipped bit anywhere is noticed`() {
    let bytes = DumpBuilder.everything.bytes
    // The reserved bytes behind the version and in the commit are covered by checksums as well.
    for bit in 0..<(bytes.count * 8) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: DumpAnalysisError.self, "bit \(bit)") {
        _ = try DecodedDump(bytes: damaged)
      }
    }
  }

  @Test func `bytes that are no dump are told so`() {
    let error = #expect(throws: DumpAnalysisError.self) {
      _ = try DecodedDump(bytes: Array(repeating: 0x55, count: 4096))
    }
    #expect(error?.code == .notADump)
  }
}
