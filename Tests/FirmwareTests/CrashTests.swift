// Every way of crashing on the emulated board, each dump held against what really happened.

import DumpAnalysis
import DumpFormat
import GDBSession
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct CrashTests {
    @Test(arguments: CrashCase.assembly + CrashCase.swift)
    func `a dump tells what really happened`(_ crash: CrashCase) async throws {
      let elf = try Firmware.image()
      let run = try await CrashRun.of(crash.command)
      let dump = try DecodedDump(bytes: run.bytes)

      checkHeader(dump, run, crash)
      let core = try #require(dump.core)
      try check(core, of: crash, elf)
      try checkFaultStatus(dump, crash, elf)
      checkFloats(dump, crash)
      #expect(dump.reason == crash.reason)
      try checkMemory(dump, core)

      let trace = try await Backtrace.run(dump: dump, elf: elf)
      expectNames(crash.backtrace, in: trace)
      if let trap = crash.swiftTrap { #expect(trace.swiftTrap == trap) }
    }

    private func checkHeader(_ dump: DecodedDump, _ run: CrashRun, _ crash: CrashCase) {
      #expect(dump.header.kind == crash.kind)
      #expect(dump.header.key == DumpKey(bootCount: run.before.bootCount, sequence: 1))
      #expect(dump.header.buildID == run.before.buildID)
      #expect(dump.header.resetCause == .powerOn, "the boot that crashed began at power-on")
      #expect(dump.header.consentEpoch == 1)
      #expect(!dump.header.isRegisterOnly && !dump.header.isNested && !dump.isTruncated)
      #expect(run.after.resetCause == crash.resetCause)
      #expect(run.after.bootCount == run.before.bootCount + 1)
      #expect(run.after.dumpsWaiting == 1 && run.left == 0)
      #expect(run.after.leaseState == .allowed, "a warm reset keeps consent")
      #expect(run.after.uncapturedCrashes == 0)
      let uptime = Duration.microseconds(Int64(clamping: dump.header.uptime))
      #expect(uptime > .zero && uptime < run.elapsed)
    }

    private func check(_ core: CoreRegisters, of crash: CrashCase, _ elf: ELFImage) throws {
      let pc = try #require(core.pc)
      switch crash.pc {
      case .address(let address): #expect(pc == address)
      case .function(let name):
        let function = try #require(elf.function(at: pc), "PC \(pc.hex) is in no function")
        #expect(function.name.contains(name))
      }
      let lr = try #require(core.lr)
      #expect(lr & 1 == 1, "a return address in Thumb state")
      let caller = try #require(elf.function(at: lr - 2), "LR \(lr.hex) is in no function")
      #expect(caller.name.contains(crash.caller))
      if let seed = crash.seed {
        for n in 0...12 {
          let expected = try crash.named[n].map { try value($0, elf) } ?? (seed &+ UInt32(n))
          #expect(core.r[n] == expected, "r\(n)")
        }
      }
      // Thread mode on the main stack, with a floating-point frame only where the code used it.
      #expect(core.excReturn == (crash.floats ? 0xFFFF_FFE9 : 0xFFFF_FFF9))
      let msp = try #require(core.msp)
      let sp = try #require(core.sp)
      // The frame is 8 words, or 26 with floating point, and up to one more to align it.
      #expect([0, 4].contains(sp - msp - (crash.floats ? 104 : 32)))
      let stack = try #require(elf.sections.first { $0.name == ".stack" })
      #expect(stack.range.contains(UInt64(sp)))
      #expect(core.exception == crash.exception)
      #expect(core.primask == (crash.command.contains("hardfault") ? 1 : 0))
      #expect((core.xpsr ?? 0) >> 24 & 1 == (crash.pc.isNull ? 0 : 1), "the T bit of xPSR")
    }

    private func checkFaultStatus(_ dump: DecodedDump, _ crash: CrashCase, _ elf: ELFImage) throws {
      let status = try #require(dump.faultStatus)
      #expect(status.cfsr == crash.cfsr)
      #expect(status.hfsr == crash.hfsr)
      #expect(try status.mmfar == value(crash.mmfar, elf))
      #expect(try status.bfar == value(crash.bfar, elf))
    }

    private func checkFloats(_ dump: DecodedDump, _ crash: CrashCase) {
      guard crash.floats, let seed = crash.seed else {
        #expect(dump.floatingPoint == nil, "floating point that was not live must be absent")
        return
      }
      #expect(dump.floatingPoint?.s == (0..<32).map { seed + 0x100 + $0 })
    }

    private func checkMemory(_ dump: DecodedDump, _ core: CoreRegisters) throws {
      let stack = try #require(
        dump.memory.first { $0.role == MemoryRole.interruptedStack.rawValue })
      #expect(stack.address == core.sp)
      #expect(stack.bytes.count == 4096)
      #expect(!stack.isTruncated && !stack.isRedacted)
    }

    private func value(_ address: CrashCase.Address, _ elf: ELFImage) throws -> UInt32? {
      switch address {
      case .unknown: nil
      case .value(let value): value
      case .symbol(let name):
        try #require(SymbolTable(elf).symbols.first { $0.name == name }, "no symbol \(name)").value
      }
    }
  }
}

/// Expects names in this order among a backtrace's frames.
func expectNames(
  _ names: [String], in trace: Backtrace, sourceLocation: SourceLocation = #_sourceLocation
) {
  var rest = names[...]
  for frame in trace.frames {
    guard let name = rest.first, frame.function?.contains(name) ?? false else { continue }
    rest.removeFirst()
  }
  #expect(rest.isEmpty, "missing in\n\(trace.text)", sourceLocation: sourceLocation)
}

extension CrashCase.Place {
  fileprivate var isNull: Bool {
    if case .address(0) = self { true } else { false }
  }
}

extension UInt32 {
  fileprivate var hex: String { "0x" + String(self, radix: 16) }
}
