// Reports say what the dump says, to people and to programs.

import DumpFormat
import Foundation
import MartletTestKit
import Testing

@testable import DumpAnalysis

@Suite struct DumpReportTests {
  @Test func `the text shows every part of a dump`() throws {
    let report = DumpReport(dump: try DecodedDump(bytes: DumpBuilder.everything.bytes))
    let text = report.text
    for part in [
      "Access to an address where nothing answers (address 0xbeef0000) at 0x00001234: tank empty\n",
      "AppCrash (kind=usageFault;", "version 1.2.3, build-id 1a1b1c1d", "boot 7, sequence 1",
      "12.345678 s since power-on", "stands for  3 crashes", "r12", "0x0000010c",
      "CFSR.DIVBYZERO: A division had zero as its divisor",
      "CFSR.BFARVALID: The address that did not answer is known: 0xbeef0000", "tank empty",
      "0x20001000  21 bytes      registeredRegion 9, 8 bytes redacted", "0x20001004  8 bytes",
      "   seconds  id          value\n  1.000000  0x00000001  0x0000002a (42)\n",
      "0x20000100  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", "type 30583  3 bytes",
    ] {
      #expect(text.contains(part), "\(part) is missing in \(text)")
    }
  }

  @Test func `JSON gives back the same report`() throws {
    let report = DumpReport(dump: try DecodedDump(bytes: DumpBuilder.everything.bytes))
    let data = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(DumpReport.self, from: data) == report)
  }

  @Test func `a register that is not known is absent, not zero`() throws {
    var builder = DumpBuilder.blank
    var core = CoreWords()
    core.flags = 0
    builder.add(.core, words: core.words)
    builder.addEnd()
    let report = DumpReport(dump: try DecodedDump(bytes: builder.bytes))
    #expect(report.registers.first { $0.name == "pc" } == .init(name: "pc", value: nil))
    #expect(report.text.contains("pc         unknown"))
    #expect(report.headline == "Usage fault")
  }

  @Test func `a crash with a reason is placed where it was asked for`() throws {
    let pair = GoldenPair.divisionByZero
    var builder = DumpBuilder.blank
    builder.header.kind = .crash
    builder.header.buildID = try pair.elf().requireBuildID()
    var core = CoreWords()
    core.pc = pair.core.pc
    core.lr = pair.core.lr
    builder.add(.core, words: core.words)
    builder.addEnd()
    let report = try DumpReport(dump: DecodedDump(bytes: builder.bytes), elf: pair.elf())
    #expect(report.headline.hasPrefix("Crash was called in average at "))
  }

  @Test func `text from a device cannot steer a terminal`() throws {
    var builder = DumpBuilder.blank
    builder.header.kind = .crash
    builder.add(.reason, Array("red \u{1B}[31m alert\n".utf8))
    builder.addEnd()
    let text = DumpReport(dump: try DecodedDump(bytes: builder.bytes)).text
    #expect(!text.contains("\u{1B}"))
    #expect(text.contains("red \u{FFFD}[31m alert\u{FFFD}"))
  }

  @Test func `redacted and missing memory is unknown, and constants come from the ELF file`() throws
  {
    let pair = GoldenPair.divisionByZero
    var builder = DumpBuilder.everything
    builder.header.buildID = try pair.elf().requireBuildID()
    let memory = DumpMemory(
      dump: try DecodedDump(bytes: builder.bytes), elf: try pair.elf())
    #expect(memory.read(0x2000_0100, count: 100).count == 64)
    #expect(memory.read(0x2000_1000, count: 21).count == 4)
    #expect(memory.read(0x2000_1004, count: 8) == [])
    #expect(memory.read(0x2000_100C, count: 100).count == 9)
    #expect(memory.read(0x42, count: 2) == [0x92, 0xFB])
    #expect(memory.read(0x2000_0000, count: 4) == [])
    #expect(memory.read(0xFFFF_FFFF, count: .max) == [])
    #expect(memory.read(0x42, count: -1) == [])
  }
}
