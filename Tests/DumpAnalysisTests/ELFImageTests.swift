// ELF files are read without trusting them, and found by their build-id.

import DumpFormat
import Foundation
import Testing

@testable import DumpAnalysis

@Suite struct ELFImageTests {
  @Test func `functions are found by address, Thumb bit or not`() throws {
    let elf = try GoldenPair.divisionByZero.elf()
    #expect(elf.function(at: 0x30)?.name == "divide")
    #expect(elf.function(at: 0x43)?.name == "divide")
    #expect(elf.function(at: 0x4B)?.name == "divide")
    #expect(elf.function(at: 0x4C)?.name == "average")
    #expect(elf.function(at: 0) == nil)
    #expect(elf.function(at: 0xFFFF_FFFF) == nil)
    #expect(elf.isCode(0x42))
    #expect(!elf.isCode(0))
    #expect(!elf.isCode(0x2000_0000))
    #expect(elf.sections.contains { $0.name == ".text" && $0.address == 0x10 })
  }

  @Test func `mangled names become readable and others stay`() {
    #expect(
      SwiftName.readable("$e4trap5totalyS2iF") == "trap.total(Swift.Int) -> Swift.Int")
    #expect(SwiftName.readable("divide") == "divide")
    #expect(SwiftName.readable("$e") == "$e")
  }

  @Test func `bytes that are no ELF file are told so`() {
    for bytes in [[], Array("#!/bin/sh\n".utf8), [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1]] as [[UInt8]] {
      let error = #expect(throws: DumpAnalysisError.self) { _ = try ELFImage(bytes: bytes) }
      #expect(error?.code == .notAnELF)
    }
  }

  @Test func `no prefix of an ELF file traps, and none has lost its tables in silence`() throws {
    let bytes = try GoldenPair.outOfBounds.elf().bytes
    for length in bytes.indices {
      // The section headers are last, so that every prefix lacks some.
      #expect(throws: DumpAnalysisError.self) {
        _ = try ELFImage(bytes: Array(bytes[..<length]))
      }
    }
  }

  @Test func `a section that claims to lie outside of the file is told`() throws {
    let elf = try GoldenPair.divisionByZero.elf()
    let text = try #require(elf.sections.firstIndex { $0.name == ".text" })
    let table = elf.bytes[32..<36].reversed().reduce(0) { $0 << 8 | Int($1) }
    // Offset and size of the section are words 4 and 5 of its header.
    for field in [16, 20] {
      var bytes = elf.bytes
      bytes.replaceSubrange(
        (table + text * 40 + field)..<(table + text * 40 + field + 4),
        with: [0xF0, 0xFF, 0xFF, 0xFF])
      let error = #expect(throws: DumpAnalysisError.self) { _ = try ELFImage(bytes: bytes) }
      #expect(error?.code == .damagedELF)
      #expect(error?.message.contains("section \(text)") == true)
    }
  }

  @Test func `an ELF file without a build-id says how to link one`() throws {
    var bytes = try GoldenPair.divisionByZero.elf().bytes
    let name = Array("GNU\0".utf8)
    let note = try #require(
      bytes.indices.first { Array(bytes[$0..<min($0 + 4, bytes.count)]) == name })
    bytes[note] = 0
    let error = #expect(throws: DumpAnalysisError.self) {
      _ = try ELFImage(bytes: bytes).requireBuildID()
    }
    #expect(error?.code == .noBuildID)
    #expect(error?.remedy.contains("--build-id=sha1") == true)
  }

  @Test func `a search that finds nothing tells what it saw`() throws {
    let finder = SymbolFinder(paths: [GoldenPair.folder])
    let wanted = String(repeating: "ab", count: 20)
    let error = #expect(throws: DumpAnalysisError.self) { _ = try finder.elf(buildID: wanted) }
    #expect(error?.code == .elfNotFound)
    #expect(error?.message.contains(wanted) == true)
    for pair in [GoldenPair.divisionByZero, .outOfBounds] {
      #expect(try error?.message.contains(pair.elf().requireBuildID().hexDigits) == true)
    }
    let nowhere = #expect(throws: DumpAnalysisError.self) {
      _ = try SymbolFinder(paths: []).elf(buildID: wanted)
    }
    #expect(nowhere?.message.contains("none was named") == true)
  }

  @Test func `a file that was named but is of another build is refused with both ids`() throws {
    let pair = GoldenPair.divisionByZero
    let finder = SymbolFinder(paths: [GoldenPair.outOfBounds.elfURL])
    let error = #expect(throws: DumpAnalysisError.self) { _ = try finder.elf(for: pair.dump()) }
    #expect(error?.code == .wrongELF)
    #expect(try error?.message.contains(pair.elf().requireBuildID().hexDigits) == true)
  }

  @Test func `folders are entered three deep`() throws {
    let root = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-elf-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let pair = GoldenPair.divisionByZero
    let finder = SymbolFinder(paths: [root])
    let deep = root.appendingPathComponent("a/b/c")
    try FileManager.default.createDirectory(
      at: deep.appendingPathComponent("d"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: pair.elfURL, to: deep.appendingPathComponent("d/crash.elf"))
    #expect(throws: DumpAnalysisError.self) { _ = try finder.elf(for: pair.dump()) }
    try FileManager.default.copyItem(at: pair.elfURL, to: deep.appendingPathComponent("crash.elf"))
    #expect(try finder.elf(for: pair.dump()).functions.count == pair.elf().functions.count)
  }

  @Test func `a path that is not there is told`() {
    let missing = URL(fileURLWithPath: "/nonexistent/firmware.elf")
    let error = #expect(throws: DumpAnalysisError.self) {
      _ = try SymbolFinder(paths: [missing]).elf(buildID: String(repeating: "ab", count: 20))
    }
    #expect(error?.code == .unreadableFile)
  }

  @Test func `an image without a build-id cannot be searched for`() {
    let error = #expect(throws: DumpAnalysisError.self) {
      _ = try SymbolFinder(paths: [GoldenPair.folder]).elf(buildID: BuildID())
    }
    #expect(error?.code == .noBuildID)
  }
}
