// Every way to die has a kind of its own, and a reason where one was given.

import BoardHAL
import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

@Suite struct CrashKindTests {
  /// CFSR and HFSR as the Armv7-M ARM gives them for each cause, B3.2.15 and B3.2.16.
  @Test(
    arguments: [
      // MemManage: IACCVIOL, DACCVIOL, MUNSTKERR, MSTKERR, MLSPERR.
      (4, 1 << 0, 0, .memManage), (4, 1 << 1 | 1 << 7, 0, .memManage), (4, 1 << 3, 0, .memManage),
      (4, 1 << 4, 0, .memManage), (4, 1 << 5, 0, .memManage),
      // BusFault: IBUSERR, PRECISERR, IMPRECISERR, UNSTKERR, STKERR, LSPERR.
      (5, 1 << 8, 0, .busFault), (5, 1 << 9 | 1 << 15, 0, .busFault), (5, 1 << 10, 0, .busFault),
      (5, 1 << 11, 0, .busFault), (5, 1 << 12, 0, .busFault), (5, 1 << 13, 0, .busFault),
      // UsageFault: UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED, DIVBYZERO.
      (6, 1 << 16, 0, .usageFault), (6, 1 << 17, 0, .usageFault), (6, 1 << 18, 0, .usageFault),
      (6, 1 << 19, 0, .usageFault), (6, 1 << 24, 0, .usageFault), (6, 1 << 25, 0, .usageFault),
      // Escalated to HardFault: FORCED with the bits of the cause.
      (3, 1 << 25, 1 << 30, .usageFault), (3, 1 << 9, 1 << 30, .busFault),
      (3, 1 << 1, 1 << 30, .memManage),
      // HardFault alone: vector table read.
      (3, 0, 1 << 1, .hardFault), (3, 0, 0, .hardFault),
      // Others.
      (2, 0, 0, .nmi), (11, 0, 0, .unhandledException), (15, 0, 0, .unhandledException),
      (16, 0, 0, .unhandledException), (255, 1 << 25, 0, .unhandledException),
    ] as [(UInt32, UInt32, UInt32, CrashKind)])
  func `fault status tells the kind`(
    exception: UInt32, cfsr: UInt32, hfsr: UInt32, kind: CrashKind
  ) throws {
    let context = makeFaultContext(exception: exception, cfsr: cfsr, hfsr: hfsr)
    let dump = try #require(try Bench.dump(of: context))
    #expect(dump.header.kind == kind)
    #expect(dump.faultStatus?.cfsr == cfsr && dump.faultStatus?.hfsr == hfsr)
  }

  @Test(
    arguments: [
      (0xDEFE, .swiftTrap), (0xDEC0, .crash), (0xDEC1, .assertion), (0xDEC2, .abort),
      (0xDE00, .usageFault), (0xDEFF, .usageFault), (0xBE00, .usageFault),
    ] as [(UInt16, CrashKind)])
  func `the trap instruction tells the kind`(instruction: UInt16, kind: CrashKind) throws {
    for (exception, hfsr) in [(6, 0), (3, 1 << 30)] as [(UInt32, UInt32)] {
      let context = makeFaultContext(exception: exception, cfsr: 1 << 16, hfsr: hfsr)
      let dump = try Bench.dump(of: context) { bench in
        try bench.board.setMemory(
          at: 0x1234, to: [UInt8(truncatingIfNeeded: instruction), UInt8(instruction >> 8)])
      }
      #expect(dump?.header.kind == kind)
    }
  }

  @Test func `an undefined instruction that cannot be read is a usage fault`() throws {
    for pc in [0x4000_0000, 0xFFFF_FFFE, 0x0000_FFFF + 1] as [UInt32] {
      let dump = try Bench.dump(of: makeFaultContext(pc: pc, cfsr: 1 << 16))
      #expect(dump?.header.kind == .usageFault)
    }
  }

  @Test func `a trap is believed only when the fault is an undefined instruction`() throws {
    let dump = try Bench.dump(of: makeFaultContext(exception: 5, cfsr: 1 << 9)) { bench in
      try bench.board.setMemory(at: 0x1234, to: [0xC0, 0xDE])
    }
    #expect(dump?.header.kind == .busFault)
  }

  @Test func `the early warning is a hang`() throws {
    let context = makeFaultContext(
      exception: 2, cfsr: 0,
      flags: UInt32(MARTLET_CONTEXT_FRAME_VALID | MARTLET_CONTEXT_WARNING))
    #expect(try Bench.dump(of: context)?.header.kind == .watchdogWarning)
  }

  /// Dumps of `udf` with a reason at `address`.
  private func reason(
    _ text: [UInt8], length: UInt32? = nil, at address: UInt32 = 0x2000_1000, trap: UInt8 = 0xC0
  ) throws -> DecodedDump? {
    let context = makeFaultContext(cfsr: 1 << 16) {
      $0.r.0 = address
      $0.r.1 = length ?? UInt32(text.count)
    }
    return try Bench.dump(of: context) { bench in
      try bench.board.setMemory(at: 0x1234, to: [trap, 0xDE])
      if !text.isEmpty { try? bench.board.setMemory(at: address, to: text) }
    }
  }

  @Test func `a reason comes with crash and assertion, up to 256 bytes`() throws {
    #expect(try reason(Array("müde".utf8))?.reason == "müde")
    #expect(try reason(Array("x > 0".utf8), trap: 0xC1)?.reason == "x > 0")
    let long = (0..<400).map { UInt8(97 + $0 % 26) }
    #expect(try reason(long)?.reason == String(decoding: long.prefix(256), as: UTF8.self))
    #expect(try reason([], length: 0)?.reason == nil)
    #expect(try reason(Array("no".utf8), trap: 0xC2)?.reason == nil)
    #expect(try reason(Array("no".utf8), trap: 0xFE)?.reason == nil)
  }

  @Test func `a reason that lies about its place or length costs nothing but itself`() throws {
    let outside = try reason([], length: 10, at: 0x4000_0000)
    #expect(outside?.reason == nil && outside?.header.kind == .crash)
    let huge = try reason(Array("abcd".utf8), length: .max, at: 0x2000_FFFC)
    #expect(huge?.reason == "abcd" && huge?.core?.r[1] == .max)
  }
}
