// Dumps of real crashes are decoded, matched with their ELF files and traced back by a real gdb.

import DumpFormat
import Foundation
import Testing

@testable import DumpAnalysis
@testable import GDBSession

@Suite struct GoldenTests {
  @Test(arguments: GoldenPair.all)
  func `a recorded dump still has every byte`(pair: GoldenPair) throws {
    let built = try pair.built()
    if ProcessInfo.processInfo.environment["MARTLET_RECORD_GOLDEN"] != nil {
      try Data(built).write(to: pair.dumpURL)
    }
    #expect(try [UInt8](Data(contentsOf: pair.dumpURL)) == built)
  }

  @Test(arguments: GoldenPair.all)
  func `a recorded dump gives back the registers of the crash`(pair: GoldenPair) throws {
    let dump = try pair.dump()
    #expect(dump.header.kind == pair.kind)
    #expect(dump.core?.r == pair.core.r.map(Optional.some))
    #expect(dump.core?.pc == pair.core.pc)
    #expect(dump.core?.lr == pair.core.lr)
    #expect(dump.core?.sp == pair.core.sp)
    #expect(dump.faultStatus?.cfsr == pair.cfsr)
    #expect(dump.memory.map(\.bytes) == [pair.stack.flatMap(little)])
    #expect(!dump.isTruncated)
  }

  @Test(arguments: GoldenPair.all)
  func `the ELF file is found among others by its build-id`(pair: GoldenPair) throws {
    let finder = SymbolFinder(paths: [GoldenPair.folder])
    #expect(try finder.elf(for: pair.dump()).url?.lastPathComponent == pair.elfName)
  }

  @Test func `a division by zero is traced to its line and its callers`() async throws {
    let pair = GoldenPair.divisionByZero
    let trace = try await Backtrace.run(dump: pair.dump(), elf: pair.elf())
    let named = trace.frames.filter { $0.function != "main" }
    #expect(named.map(\.function) == ["divide", "average", "reset"], "\(trace.text)")
    #expect(trace.frames.map(\.index) == Array(trace.frames.indices))
    #expect(trace.frames.first?.address == 0x42)
    #expect(trace.frames.first?.line == 12)
    #expect(trace.frames.first?.file?.hasSuffix("crash.c") == true)
    #expect(trace.swiftTrap == nil)
    #expect(trace.notes == [])
    #expect(trace.text.hasPrefix("#0 0x00000042 in divide at "))
    let report = try DumpReport(dump: pair.dump(), elf: pair.elf())
    #expect(report.headline == "Division by zero in divide at 0x00000042")
  }

  @Test func `a null call is traced from its caller on`() async throws {
    let pair = GoldenPair.nullCall
    let trace = try await Backtrace.run(dump: pair.dump(), elf: pair.elf())
    #expect(trace.frames.first == Backtrace.Frame(index: 0, address: 0))
    let named = trace.frames.dropFirst().filter { $0.function != "main" }
    #expect(named.map(\.function) == ["notify", "reset"])
    #expect(named.first?.address == 0x8A)
    #expect(named.first?.line == 22)
    #expect(trace.notes.first?.contains("not in the image's code") == true)
    let report = try DumpReport(dump: pair.dump(), elf: pair.elf())
    #expect(
      report.headline
        == "Jump to something that is no code at 0x00000000, called from notify")
  }

  @Test func `a Swift trap is named by the frame that the compiler inlined`() async throws {
    let pair = GoldenPair.outOfBounds
    let trace = try await Backtrace.run(dump: pair.dump(), elf: pair.elf())
    #expect(trace.swiftTrap == "Index out of bounds")
    let functions = trace.frames.compactMap(\.function)
    #expect(functions.contains { $0.contains("element") })
    #expect(functions.contains { $0.contains("total") })
    #expect(functions.last == "reset")
    #expect(!functions.contains { $0.hasPrefix("$e") })
    #expect(trace.frames.contains { $0.file?.hasSuffix("trap.swift") == true && $0.line == 6 })
    #expect(trace.text.hasPrefix("Swift runtime failure: Index out of bounds\n"))
  }

  @Test func `an ELF file read from memory serves as well`() async throws {
    let pair = GoldenPair.divisionByZero
    let elf = try ELFImage(bytes: pair.elf().bytes)
    let trace = try await Backtrace.run(dump: pair.dump(), elf: elf)
    #expect(trace.frames.first?.function == "divide")
  }

  @Test func `the ELF file of another build is refused with both ids`() async throws {
    let pair = GoldenPair.divisionByZero
    let other = try GoldenPair.outOfBounds.elf()
    let error = await #expect(throws: DumpAnalysisError.self) {
      _ = try await Backtrace.run(dump: pair.dump(), elf: other)
    }
    #expect(error?.code == .wrongELF)
    #expect(try error?.message.contains(pair.elf().requireBuildID().hexDigits) == true)
    #expect(try error?.message.contains(other.requireBuildID().hexDigits) == true)
  }

  @Test func `a missing gdb is told by the package that brings it`() async throws {
    let pair = GoldenPair.divisionByZero
    let error = await #expect(throws: GDBSessionError.self) {
      _ = try await Backtrace.run(dump: pair.dump(), elf: pair.elf(), gdb: "no-such-gdb")
    }
    #expect(error?.code == .gdbMissing)
    #expect(error?.remedy.contains("gdb-multiarch") == true)
  }

  @Test func `a gdb that hangs is ended when its time is up`() async throws {
    let pair = GoldenPair.divisionByZero
    let hanging = FileManager.default.temporaryDirectory
      .appendingPathComponent("hanging-gdb-\(UUID().uuidString)")
    try Data("#!/bin/sh\nexec cat /dev/zero >/dev/null\n".utf8).write(to: hanging)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hanging.path)
    defer { try? FileManager.default.removeItem(at: hanging) }
    let error = await #expect(throws: GDBSessionError.self) {
      _ = try await Backtrace.run(
        dump: pair.dump(), elf: pair.elf(), gdb: hanging.path, timeLimit: .milliseconds(50))
    }
    #expect(error?.code == .gdbTimeout)
  }
}
