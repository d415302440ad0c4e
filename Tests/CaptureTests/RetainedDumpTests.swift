// When flash cannot take a dump: its registers wait in retained RAM and the next boot stores them.

import BoardHAL
import BootAgent
import CrashCapture
import DumpAnalysis
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

@Suite struct RetainedDumpTests {
  /// Boots, takes the one dump that waits and decodes it.
  private func only(_ bench: Bench) throws -> DecodedDump? {
    bench.boot()
    let dumps = bench.fetchAll()
    #expect(dumps.count <= 1)
    return try dumps.first.map { try bench.decode($0.value) }
  }

  @Test func `without a ready slot the registers are kept and the next boot stores them`() throws {
    let bench = try Bench()
    let ring = bench.board.configuration.flash.ringOffset
    for sector in 0..<8 as Range<UInt32> {
      try bench.board.setSector(at: ring + sector * 4096, .fails)
    }
    try bench.board.setNor(at: ring, to: [UInt8](repeating: 0, count: 8 * 4096))
    bench.boot()
    bench.give()
    bench.crash()
    for sector in 0..<8 as Range<UInt32> {
      try bench.board.setSector(at: ring + sector * 4096, .good)
    }
    let dump = try #require(try only(bench))
    #expect(dump.header.isRegisterOnly)
    #expect(dump.header.key == DumpKey(bootCount: 1, sequence: 1))
    #expect(dump.core?.pc == 0x1234 && dump.floatingPoint?.s[31] == 0x5300_001F)
    #expect(dump.image != nil && dump.memory.isEmpty && !dump.isTruncated)
  }

  @Test(arguments: 1...9)
  func `flash that fails in the middle leaves the registers`(operation: Int) throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.run { CrashCapture.limitStack(to: 1000) }
    bench.board.inject(.programFails, atOperation: operation)
    bench.crash()
    let dump = try #require(try only(bench))
    // Header, two chunks, commit, the mark behind it: from the commit on the dump counts.
    #expect(dump.core?.pc == 0x1234)
    #expect(dump.header.isRegisterOnly == (operation < 5), "operation \(operation)")
    bench.reboot()
    // A boot that flash did not count stands for a counter that went back: closed until the next lease.
    bench.give()
    #expect(bench.fetchAll().count == 1)
  }

  @Test func `a fault inside the fault path leaves its registers and no memory`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash(
      makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) })
    let dump = try #require(try only(bench))
    #expect(dump.header.isNested && dump.header.isRegisterOnly)
    #expect(dump.header.kind == .nestedFault)
    #expect(dump.memory.isEmpty && dump.core?.r[12] == 0x5200_000C)
  }

  @Test func `a fault inside the fault path does not displace what the first one left`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    // Flash does not take the first capture, so that its registers go to retained RAM.
    bench.board.inject(.programFails, atOperation: 2)
    bench.board.runFault {
      withUnsafePointer(to: makeFaultContext(pc: 0x100)) { martlet_capture_fault($0) }
      let nested = makeFaultContext(pc: 0x200) { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) }
      withUnsafePointer(to: nested) { martlet_capture_fault($0) }
    }
    let dump = try #require(try only(bench))
    #expect(dump.core?.pc == 0x100 && !dump.header.isNested)
    #expect(bench.hello()?.uncapturedCrashes == 1)
  }

  @Test func `the longest reason fits beside the registers`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    try bench.board.setMemory(at: 0x1234, to: [0xC0, 0xDE])
    try bench.board.setMemory(at: 0x2000_1000, to: [UInt8](repeating: 0x61, count: 256))
    bench.crash(
      makeFaultContext(cfsr: 1 << 16) {
        $0.flags |= UInt32(MARTLET_CONTEXT_NESTED)
        $0.r.0 = 0x2000_1000
        $0.r.1 = 256
      })
    let dump = try #require(try only(bench))
    #expect(!dump.isTruncated && dump.image != nil && dump.floatingPoint?.fpscr != nil)
    let reason = try #require(dump.reason)
    #expect(reason == String(repeating: "a", count: 256))
  }

  @Test func `a crash before the boot agent leaves its registers when the gate was open`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.advance(by: .seconds(100))
    bench.poll()
    // Two boots in a row that never reach the agent: one key is left, for the first of them.
    for _ in 0..<2 {
      bench.board.warmReset(cause: .software)
      bench.board.advance(by: .milliseconds(1))
      bench.crash(makeFaultContext(pc: 0x600))
    }
    bench.boot()
    let first = try #require(bench.fetchAll().first)
    let dump = try bench.decode(first.value)
    #expect(dump.header.key == DumpKey(bootCount: 1, sequence: 3))
    #expect(dump.header.isRegisterOnly && dump.core?.pc == 0x600)
    #expect(dump.header.uptime == 100_001_000)
    #expect(bench.hello()?.leaseState == .allowed)
    // The next one of its kind has a key of its own.
    bench.board.warmReset(cause: .software)
    bench.crash(makeFaultContext(pc: 0x604))
    bench.boot()
    #expect(Set(bench.fetchAll().keys) == [first.key, DumpKey(bootCount: 2, sequence: 3)])
  }

  @Test func `a watchdog reset leaves a record, once`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.run { _ = halWatchdogStart(timeoutMilliseconds: 1000, warningMilliseconds: 0) }
    bench.board.advance(by: .seconds(2))
    #expect(bench.board.state == .reset)
    let dump = try #require(try only(bench))
    #expect(dump.header.kind == .watchdogReset && dump.header.isRegisterOnly)
    #expect(dump.header.key == DumpKey(bootCount: 1, sequence: 2))
    #expect(dump.core == nil && dump.memory.isEmpty)
    bench.reboot()
    #expect(bench.fetchAll().count == 1)
  }

  @Test func `a watchdog reset without consent leaves nothing`() throws {
    let bench = try Bench()
    bench.boot()
    bench.reboot(cause: .watchdog)
    bench.give()
    #expect(bench.fetchAll().isEmpty)
  }

  @Test func `a damaged dump in retained RAM is dropped`() throws {
    for bit in stride(from: 0, to: 300 * 8, by: 7) {
      let bench = try Bench()
      bench.boot()
      bench.give()
      bench.crash(makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) })
      bench.board.warmReset()
      var retained = bench.board.retained
      retained[392 + bit / 8] ^= 1 << UInt8(bit % 8)
      bench.board.retained = retained
      bench.boot()
      bench.reboot()
      #expect(bench.fetchAll().isEmpty, "bit \(bit)")
    }
  }

  @Test func `a dump in retained RAM is gone after it was stored`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash(makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) })
    bench.boot()
    #expect(bench.board.retained[392..<392 + 1208].allSatisfy { $0 == 0 })
  }
}
