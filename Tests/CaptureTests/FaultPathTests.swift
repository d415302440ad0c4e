// What a capture holds: every register exact, memory as it was, and a dump however wild the stack is.

import BoardHAL
import BootAgent
import CrashCapture
import DumpAnalysis
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

@Suite struct FaultPathTests {
  @Test func `every register comes back exact`() throws {
    let context = makeFaultContext(cfsr: 1 << 25 | 1 << 15 | 1 << 7)
    let dump = try #require(try Bench.dump(of: context, slotSize: 8192))
    let core = try #require(dump.core)
    #expect(core.r == (0..<13).map { 0x5200_0000 + UInt32($0) })
    #expect(core.sp == context.sp && core.lr == context.lr && core.pc == context.pc)
    #expect(core.xpsr == context.xpsr && core.excReturn == context.excReturn)
    #expect(core.msp == context.msp && core.psp == context.psp)
    #expect(core.control == context.control && core.primask == context.primask)
    #expect(core.basepri == context.basepri && core.faultmask == context.faultmask)
    #expect(core.flags == context.flags && core.exception == context.exception)
    #expect(
      dump.faultStatus
        == FaultStatus(
          cfsr: context.cfsr, hfsr: context.hfsr, dfsr: context.dfsr, mmfar: context.mmfar,
          bfar: context.bfar, afsr: context.afsr, shcsr: context.shcsr, icsr: context.icsr))
    let floats = try #require(dump.floatingPoint)
    #expect(floats.s == (0..<32).map { 0x5300_0000 + UInt32($0) })
    #expect(floats.fpscr == context.fpscr)
    #expect(dump.image?.codeStart == 0 && dump.image?.codeLength == 0x10000)
    #expect(!dump.isTruncated && dump.unknownBlocks.isEmpty)
  }

  @Test func `the prologue tells boot, image, cause, uptime and fingerprint`() throws {
    let bench = try Bench()
    bench.boot()
    bench.reboot(cause: .external)
    bench.give(epoch: 7)
    bench.board.advance(by: .seconds(3))
    bench.crash()
    bench.boot()
    let dump = try #require(try bench.fetchAll().first.map { try bench.decode($0.value) })
    #expect(dump.header.key == DumpKey(bootCount: 2, sequence: 1))
    #expect(dump.header.buildID.bytes.array == (0..<20).map { UInt8(0xB0 + $0) })
    #expect(dump.version == "1.0.0")
    #expect(dump.header.resetCause == .external)
    #expect(dump.header.uptime == 3_000_000)
    #expect(dump.header.consentEpoch == 7)
    #expect(dump.header.occurrences == 1)
    #expect(
      dump.header.fingerprint
        == Fingerprint(
          buildID: dump.header.buildID, kind: .usageFault, pc: 0x1234, lr: 0x567))
    #expect(!dump.header.isRegisterOnly && !dump.header.isNested)
  }

  @Test func `floating point that was not live is not in the dump`() throws {
    let context = makeFaultContext(flags: UInt32(MARTLET_CONTEXT_FRAME_VALID))
    #expect(try #require(try Bench.dump(of: context)).floatingPoint == nil)
  }

  @Test func `without an exception frame PC and LR are unknown and so in the fingerprint`() throws {
    let context = makeFaultContext(exception: 4, cfsr: 1 << 4, flags: 0)
    let dump = try #require(try Bench.dump(of: context))
    #expect(dump.core?.pc == nil && dump.core?.r[0] == nil)
    #expect(dump.core?.r[4] == 0x5200_0004)
    #expect(dump.header.kind == .memManage)
    #expect(
      dump.header.fingerprint
        == Fingerprint(buildID: dump.header.buildID, kind: .memManage, pc: nil, lr: nil))
  }

  @Test func `stack and registered regions hold what was there`() throws {
    let sp: UInt32 = 0x2000_FF00
    let stack = (0..<256).map { UInt8($0) }
    let region = (0..<333).map { UInt8(truncatingIfNeeded: $0 &* 3) }
    let dump = try Bench.dump(of: makeFaultContext(sp: sp)) { bench in
      try bench.board.setMemory(at: sp, to: stack)
      try bench.board.setMemory(at: 0x2000_0101, to: region)
      bench.board.run {
        #expect(CrashCapture.register(address: 0x2000_0101, length: 333, id: 9))
      }
    }
    let memory = try #require(dump?.memory)
    #expect(memory.map(\.address) == [sp, 0x2000_0101])
    #expect(memory.map(\.role) == [1, 2])
    #expect(memory.map(\.id) == [0, 9])
    #expect(memory.map(\.bytes) == [stack, region])
  }

  @Test func `eight regions are taken and a ninth is not`() throws {
    let dump = try Bench.dump(of: makeFaultContext(sp: 0x4000_0000)) { bench in
      bench.board.run {
        for id in 1...8 as ClosedRange<UInt16> {
          #expect(
            CrashCapture.register(address: 0x2000_0000 + UInt32(id) * 64, length: 16, id: id))
        }
        #expect(!CrashCapture.register(address: 0x2000_0000, length: 16, id: 9))
      }
    }
    #expect(dump?.memory.map(\.id) == Array(1...8))
  }

  @Test func `a region that is partly or not readable gives what can be read`() throws {
    let dump = try Bench.dump(of: makeFaultContext(sp: 0x2000_8000), slotSize: 8192) { bench in
      bench.board.run {
        CrashCapture.register(address: 0x2000_FFF0, length: 64, id: 1)
        CrashCapture.register(address: 0x4000_0000, length: 64, id: 2)
        CrashCapture.register(address: 0xFFFF_FFF0, length: 64, id: 3)
        CrashCapture.register(address: 0x2000_0000, length: 0, id: 4)
        CrashCapture.register(address: 0x2000_0000, length: 4, id: 5)
      }
    }
    #expect(dump?.memory.map(\.id) == [0, 1, 5])
    #expect(dump?.memory.map(\.bytes.count) == [4096, 16, 4])
  }

  /// Where stack pointers must not be followed, or only as far as memory goes.
  @Test(
    arguments: [
      (0, 4096), (4, 4096), (0x1FFF_FFFC, 0), (0x2001_0000, 0), (0x2001_0004, 0), (0x2000_FFFC, 4),
      (0x2000_FFFF, 1), (0x4000_0000, 0), (0xE000_ED00, 0), (0xFFFF_FFFF, 0), (0xFFFF_FFF0, 0),
      (0x2000_0003, 4096), (0x0000_FFF8, 8),
    ] as [(UInt32, Int)])
  func `a wild stack pointer still gives a dump with every register`(
    sp: UInt32, readable: Int
  ) throws {
    let context = makeFaultContext(sp: sp) { $0.psp = 0xFFFF_FFFF }
    let dump = try #require(try Bench.dump(of: context, slotSize: 8192))
    #expect(dump.core?.sp == sp && dump.core?.pc == 0x1234)
    // Fewer than four bytes are no use to anybody, and are kept all the same.
    #expect(dump.memory.map(\.bytes.count).reduce(0, +) == readable)
  }

  @Test(arguments: 0...12)
  func `a slot that is too small gives a truncated dump that decodes`(registered: Int) throws {
    let dump = try #require(
      try Bench.dump(of: makeFaultContext(sp: 0x2000_F000)) { bench in
        bench.board.run {
          for id in 0..<min(registered, 8) {
            CrashCapture.register(
              address: 0x2000_0000, length: UInt32(1 + registered * 100), id: UInt16(id))
          }
        }
      })
    #expect(dump.isTruncated)
    #expect(dump.core?.pc == 0x1234)
    let memory = try #require(dump.memory.first)
    #expect(memory.isTruncated && memory.bytes.count > 3000)
    #expect(dump.prologue.totalLength <= 4096 - 128)
  }

  @Test func `the stack limit is kept`() throws {
    let dump = try Bench.dump(of: makeFaultContext()) { bench in
      bench.board.run { CrashCapture.limitStack(to: 100) }
    }
    #expect(dump?.memory.first?.bytes.count == 100)
    #expect(dump?.isTruncated == false)
  }

  @Test func `a capture erases nothing, touches no line and programs only its slot and its tally`()
    throws
  {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let before = try bench.board.norImage()
    bench.board.clearCounters()
    bench.crash()
    #expect(bench.board.counters.contextViolations == 0)
    #expect(bench.board.counters.erases == 0)
    #expect(bench.board.counters.conflicts == 0)
    #expect(bench.board.counters.feeds > 1)
    #expect(bench.board.receive().isEmpty)
    let after = try bench.board.norImage()
    let changed = Set(before.indices.filter { before[$0] != after[$0] }.map { $0 / 4096 })
    // One sector of the state area and the slot's.
    #expect(changed.count == 2 && changed.contains { $0 < 3 } && changed.contains { $0 >= 3 })
  }

  @Test func `a loader and an application share one ring and are told apart`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash(makeFaultContext(pc: 0x400))
    bench.board.restart()
    bench.board.run { _ = BootAgent(slotSize: bench.slotSize, component: 1) }
    bench.crash(makeFaultContext(pc: 0x800))
    bench.boot()
    let dumps = try bench.fetchAll().sorted { $0.key < $1.key }
      .map { try bench.decode($0.value) }
    #expect(dumps.map(\.header.component) == [0, 1])
    #expect(dumps.map { $0.core?.pc } == [0x400, 0x800])
  }

  @Test func `no context is no crash`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.runFault { martlet_capture_fault(nil) }
    bench.boot()
    #expect(bench.fetchAll().isEmpty)
    #expect(bench.hello()?.uncapturedCrashes == 0)
  }
}
