// What the board keeps from the application, and what the fault path leaves of the application's.

import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct GuardTests {
    @Test func `the interrupted stack is as it was below the exception frame`() async throws {
      let (painted, changed) = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        try link.wait(forText: "ready")
        link.type("crash painted 5A5A0000")
        _ = try link.hello { $0.bootCount > first.bootCount }
        _ = try link.go()
        link.type("painted")
        try link.wait(forText: "bytes of the painted stack changed")
        let words = link.text.split(whereSeparator: \.isWhitespace)
        let counts = words.compactMap { UInt32($0) }.suffix(2)
        return (counts.first ?? 0, counts.last ?? .max)
      }
      Figure.report("capture.foreign.stack", Int(changed), "B")
      #expect(changed == 0)
      #expect(painted > 8192, "most of the 16 KiB lies below the frame")
    }

    /// Where a wild write of the application's ends.
    @Test(arguments: [
      "martlet_zeroed_start", "martlet_guarded_start", "kept_cause.0", "retained", "vectors",
      "martlet_code_start", "martlet_stack_bottom",
    ])
    func `a write to what the application may not touch is a fault there`(_ symbol: String)
      async throws
    {
      let elf = try Firmware.image()
      let target = try #require(SymbolTable(elf).symbols.first { $0.name == symbol }).value
      let run = try await CrashRun.of("poke \(String(target, radix: 16)) 5EED")
      let dump = try DecodedDump(bytes: run.bytes)
      // The main stack's guard knows of no other writers.
      #expect(dump.header.kind == (symbol == "martlet_stack_bottom" ? .stackOverflow : .memManage))
      #expect(dump.faultStatus?.cfsr == CFSR.daccviol | CFSR.mmarvalid)
      #expect(dump.faultStatus?.mmfar == target)
      #expect(elf.function(at: dump.core?.pc ?? 0)?.name == "demo_poke")
      #expect(run.after.leaseState == .allowed)
    }

    @Test func `memory of the application's own can be written`() async throws {
      let elf = try Firmware.image()
      let end = try #require(
        SymbolTable(elf).symbols.first { $0.name == "martlet_app_ram_end" }
      ).value
      try await Firmware.withBoard { board in
        let link = try board.start()
        try link.wait(forText: "ready")
        link.type("poke \(String(end - 4, radix: 16)) 5EED")
        try link.wait(forText: "poked")
      }
    }
  }
}
