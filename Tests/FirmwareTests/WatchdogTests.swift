// Hangs on the emulated board: the watchdog's early warning, and its bite.

import DumpAnalysis
import DumpFormat
import GDBSession
import LinkProtocol
import Testing

extension BoardTests {
  @Suite struct WatchdogTests {
    @Test func `a hang is caught by the early warning while it hangs`() async throws {
      let elf = try Firmware.image()
      let run = try await CrashRun.of("hang")
      let dump = try DecodedDump(bytes: run.bytes)
      #expect(dump.header.kind == .watchdogWarning)
      #expect(run.after.resetCause == .fault)
      #expect(dump.header.key == DumpKey(bootCount: run.before.bootCount, sequence: 1))
      let core = try #require(dump.core)
      let pc = try #require(core.pc)
      let function = try #require(elf.function(at: pc)?.name)
      #expect(function.contains("hang") || function == "demo_wait")
      #expect(!function.contains("hangWithInterruptsOff"))
      // Interrupt 17 of the controller; the core's own come before it.
      #expect(core.exception == UInt32(16 + 17))
      #expect((core.flags ?? 0) & 4 != 0, "entered by the early warning")
      #expect(dump.faultStatus?.cfsr == 0 && dump.faultStatus?.hfsr == 0)
      // Fed for the last time when the line was typed; the warning comes 1.5 s later.
      #expect(dump.header.uptime >= 1_500_000)
      let stack = try #require(dump.memory.first)
      #expect(stack.address == core.sp)
      expectNames(["hang", "run", "main"], in: try await Backtrace.run(dump: dump, elf: elf))
    }

    @Test func `a hang with interrupts off leaves a record that knows no registers`() async throws {
      let run = try await CrashRun.of("hang masked")
      let dump = try DecodedDump(bytes: run.bytes)
      #expect(dump.header.kind == .watchdogReset)
      #expect(run.after.resetCause == .watchdog)
      // Sequence 1 is the fault path's, which never ran.
      #expect(dump.header.key == DumpKey(bootCount: run.before.bootCount, sequence: 2))
      #expect(dump.header.isRegisterOnly)
      #expect(dump.header.buildID == run.before.buildID)
      #expect(dump.core == nil && dump.memory.isEmpty && dump.faultStatus == nil)
      #expect(run.after.bootCount == run.before.bootCount + 1 && run.left == 0)
    }
  }
}
