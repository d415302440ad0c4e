// One dump held against what really happened.

import DumpAnalysis
import DumpFormat
import GDBSession
import LinkProtocol
import MartletTestKit
import Synchronization
import Testing

/// Compares a dump with its case and collects what is wrong.
struct CrashCheck {
  let crash: CrashCase
  let run: CrashRun
  let elf: ELFImage
  let dump: DecodedDump
  private let symbols: [SymbolTable.Symbol]
  private(set) var problems: [String] = []

  init(_ crash: CrashCase, _ run: CrashRun, _ elf: ELFImage) throws {
    self.crash = crash
    self.run = run
    self.elf = elf
    dump = try DecodedDump(bytes: run.bytes)
    symbols = SymbolTable(elf).symbols
  }

  mutating func checkAll() {
    checkHeader()
    // The demo leaves one with each command; a record in retained RAM has no room for a crash's.
    if !crash.isRegisterOnly || crash.kind == .watchdogReset {
      expect(dump.breadcrumbs.last?.id, 1, "the last breadcrumb's id")
      expect(dump.breadcrumbs.last?.value, crash.seed ?? 0, "the last breadcrumb's value")
    }
    guard let exception = crash.exception else {
      expect(dump.core == nil && dump.memory.isEmpty && dump.faultStatus == nil, "registers known")
      return
    }
    guard let core = dump.core else { return problems.append("no core registers") }
    expect(core.exception, exception, "exception")
    checkPlace(core)
    checkRegisters(core)
    checkStack(core)
    checkFaultStatus()
    checkFloats()
    checkPeripherals()
    expect(dump.reason, crash.reason, "reason")
  }

  private mutating func checkHeader() {
    let header = dump.header
    expect(header.kind, crash.kind, "kind")
    let boot = run.before.bootCount + crash.boot
    expect(header.key, DumpKey(bootCount: boot, sequence: crash.sequence), "key")
    expect(header.buildID == run.before.buildID, "another build-id")
    expect(header.resetCause, crash.bootResetCause, "reset cause of the boot that crashed")
    expect(header.consentEpoch, 1, "consent epoch")
    expect(header.isRegisterOnly, crash.isRegisterOnly, "register-only")
    expect(header.isNested, crash.kind == .nestedFault, "nested")
    expect(!dump.isTruncated, "truncated")
    expect(run.after.resetCause, crash.resetCause, "reset cause of the next boot")
    expect(run.after.bootCount, run.before.bootCount + 1, "boots counted")
    expect(run.after.dumpsWaiting == 1 && run.left == 0, "dumps waiting before and after release")
    expect(run.after.leaseState, .allowed, "a warm reset keeps consent: lease")
    expect(run.after.uncapturedCrashes, 0, "crashes not captured")
    let uptime = Duration.microseconds(Int64(clamping: header.uptime))
    // Fed for the last time when the line was typed; the warning comes 1.5 s later.
    let least: Duration = crash.kind == .watchdogWarning ? .milliseconds(1500) : .zero
    expect(uptime > least && uptime < run.elapsed, "uptime \(uptime)")
  }

  private mutating func checkPlace(_ core: CoreRegisters) {
    expect((core.flags ?? 0) & 4 != 0, crash.kind == .watchdogWarning, "early warning")
    if case .lost = crash.pc {
      let known = [core.pc, core.lr, core.xpsr, core.r[0], core.r[1], core.r[2], core.r[3]]
      expect(known.allSatisfy { $0 == nil } && core.r[12] == nil, "a frame that was lost is known")
      let words = Self.frameWords(of: run.bytes)
      expect(words.allSatisfy { $0 == 0 }, "what is not known is not zero: \(words)")
      return
    }
    guard let pc = core.pc, let lr = core.lr else { return problems.append("the frame is lost") }
    let name = elf.function(at: pc)?.name ?? "nothing"
    switch crash.pc {
    case .address(let address): expect(pc, address, "pc")
    case .symbol(let symbol): expect(pc, value(of: symbol), "pc")
    case .function(let names):
      expect(names.contains { name.contains($0) }, "pc is in \(name)")
    case .lost: break
    }
    // A call to 0 leaves Thumb state.
    expect((core.xpsr ?? 0) >> 24 & 1, pc == 0 ? 0 : 1, "the T bit of xPSR")
    guard let caller = crash.caller else { return }
    expect(lr & 1, 1, "Thumb bit of lr")
    let called = elf.function(at: lr - 2)?.name ?? "nothing"
    expect(called.contains(caller), "lr is in \(called)")
  }

  /// r0-r3, r12, LR, PC and xPSR as they are stored, known or not: the core registers come first,
  /// behind prologue and block header.
  static func frameWords(of bytes: [UInt8]) -> [UInt32] {
    [0, 1, 2, 3, 12, 14, 15, 16].map { bytes.word(128 + 8 + 4 * $0) }
  }

  private mutating func checkRegisters(_ core: CoreRegisters) {
    expect(core.excReturn, crash.floats ? 0xFFFF_FFE9 : crash.excReturn, "EXC_RETURN")
    expect(
      core.primask, crash.command.contains("hardfault") || crash.kind == .nestedFault ? 1 : 0,
      "PRIMASK")
    guard let seed = crash.seed, crash.kind != .nestedFault else { return }
    for n in 0...12 {
      if core.r[n] == nil, case .lost = crash.pc { continue }
      if let named = crash.named[n] {
        expect(named, core.r[n], "r\(n)")
      } else {
        expect(core.r[n], seed &+ UInt32(n), "r\(n)")
      }
    }
  }

  private mutating func checkStack(_ core: CoreRegisters) {
    let onProcessStack = crash.excReturn & 4 != 0
    guard let sp = core.sp, let at = onProcessStack ? core.psp : core.msp else {
      return problems.append("no stack pointer")
    }
    // The frame is 8 words, or 26 with floating point, and up to one more to align it.
    let frame: UInt32 = crash.floats ? 104 : 32
    expect(sp - at == frame || sp - at == frame + 4, "the frame is \(sp &- at) bytes")
    if case .mainStack = crash.sp {
      let stack = elf.sections.first { $0.name == ".stack" }
      // Before main nothing was pushed yet.
      let isInside = stack.map { $0.range.contains(UInt64(sp)) || $0.range.upperBound == sp }
      expect(isInside ?? false, "sp is \(sp.hex)")
    } else {
      expect(crash.sp, sp, "sp")
    }
    let block = dump.memory.first { $0.role == MemoryRole.interruptedStack.rawValue }
    guard crash.hasStack else { return expect(block == nil, "a stack that cannot be is followed") }
    guard let block else { return problems.append("no stack") }
    expect(block.address, sp, "the stack's address")
    expect(block.bytes.count, 4096, "the stack's length")
    expect(!block.isTruncated && !block.isRedacted, "the stack is not whole")
  }

  private mutating func checkFaultStatus() {
    guard let status = dump.faultStatus else { return problems.append("no fault status") }
    expect(status.cfsr, crash.cfsr, "CFSR")
    expect(status.hfsr, crash.hfsr, "HFSR")
    expect(crash.mmfar, status.mmfar, "MMFAR")
    expect(crash.bfar, status.bfar, "BFAR")
  }

  private mutating func checkFloats() {
    guard crash.floats, let seed = crash.seed else {
      return expect(dump.floatingPoint == nil, "floating point that was not live is present")
    }
    expect(dump.floatingPoint?.s == (0..<32).map { seed + 0x100 + $0 }, "s0-s31")
  }

  /// MPU, interrupts and SysTick.
  private mutating func checkPeripherals() {
    guard let mpu = dump.mpu, let nvic = dump.nvic, let sysTick = dump.sysTick else {
      // A record in retained RAM may have no room for them.
      return expect(crash.isRegisterOnly, "no MPU, NVIC or SysTick")
    }
    if crash.kind != .nestedFault {
      expect(mpu.type, 0x800, "MPU_TYPE")
      expect(mpu.regions.count, 8, "MPU regions")
      // Before main the MPU may still be off; else code is read-only, in region 5.
      expect(mpu.control == 5 || crash.exception == 3, "MPU_CTRL")
      if mpu.control == 5, mpu.regions.count == 8 {
        expect(mpu.regions[5].rasr, 0x0602_0023, "RASR of the code's region")
        expect(.symbol("martlet_stack_bottom"), mpu.regions[4].rbar & ~31, "guard")
      }
    }
    // 256 lines.
    expect([nvic.enabled.count, nvic.pending.count, nvic.active.count], [8, 8, 8], "NVIC words")
    if let line = crash.activeInterrupt, nvic.enabled.count == 8, nvic.active.count == 8 {
      let bit = UInt32(1) << UInt32(line % 32)
      expect(nvic.enabled[line / 32] & bit, bit, "NVIC enabled")
      expect(nvic.active[line / 32], bit, "NVIC active")
    } else {
      expect(nvic.active.allSatisfy { $0 == 0 }, "NVIC active")
    }
    // Off, and clocked by the processor: QEMU knows no other.
    expect(sysTick.csr, 4, "SysTick CSR")
  }

  private mutating func expect(_ holds: Bool, _ what: String) {
    if !holds { problems.append(what) }
  }

  private mutating func expect<Value: Equatable>(_ is: Value, _ wanted: Value, _ what: String) {
    if `is` != wanted { problems.append("\(what) is \(`is`), not \(wanted)") }
  }

  private mutating func expect(_ address: CrashCase.Address, _ is: UInt32?, _ what: String) {
    let holds =
      switch address {
      case .unknown: `is` == nil
      case .value(let wanted): `is` == wanted
      case .symbol(let name, let offset): `is` == value(of: name).map { $0 + offset }
      case .within(let name, let from, let count):
        if let value = value(of: name), let `is` {
          `is` &- value &- UInt32(bitPattern: from) < count
        } else {
          false
        }
      case .mainStack: false
      }
    if !holds { problems.append("\(what) is \(`is`?.hex ?? "unknown"), not \(address)") }
  }

  /// Where a symbol lies; a function's Thumb bit is no part of that.
  private func value(of name: String) -> UInt32? {
    symbols.first { $0.name == name }.map { $0.type == 2 ? $0.value & ~1 : $0.value }
  }
}

/// Which ways to die were captured and told apart so far in this run.
enum CaptureShare {
  private static let outcomes = Mutex<[String: Bool]>([:])

  /// Notes one; reports the share once all ways were seen.
  static func note(_ crash: CrashCase, isExact: Bool) {
    let known = outcomes.withLock { outcomes in
      outcomes[crash.command] = isExact
      return outcomes
    }
    guard known.count == CrashCase.all.count else { return }
    let share = Double(known.values.count { $0 }) / Double(known.count)
    Figure.report("faults.captured.share", share)
  }
}

extension UInt32 {
  var hex: String { "0x" + String(self, radix: 16) }
}
