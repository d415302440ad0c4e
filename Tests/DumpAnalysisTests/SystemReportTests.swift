// What a dump tells beyond registers and stack: protection, interrupts, timer, redactions, events.

import DumpFormat
import Foundation
import MartletTestKit
import Testing

@testable import DumpAnalysis

@Suite struct SystemReportTests {
  private func report(_ fill: (inout DumpBuilder) -> Void) throws -> DumpReport {
    var builder = DumpBuilder.blank
    fill(&builder)
    builder.addEnd()
    return DumpReport(dump: try DecodedDump(bytes: builder.bytes))
  }

  // MARK: - Memory protection

  /// RASR out of its fields, region enabled.
  private static func rasr(
    size: UInt32, access: UInt32, never: Bool = false, holes: UInt32 = 0, on: Bool = true
  ) -> UInt32 {
    (never ? 1 << 28 : 0) | access << 24 | holes << 8 | size << 1 | (on ? 1 : 0)
  }

  @Test func `regions are told by base, size, access and whether code may run`() throws {
    let report = try report {
      $0.add(
        .mpu,
        words: [
          0x800, 0b101,
          // Flash: 1 MiB, read by all. RBAR carries VALID and the region's number.
          0x0000_0010, Self.rasr(size: 19, access: 6),
          // A guard of 32 bytes: nobody.
          0x2000_0031, Self.rasr(size: 4, access: 0, never: true),
          // Peripherals without their second and last eighth.
          0x4000_0002, Self.rasr(size: 28, access: 1, never: true, holes: 0x82),
          // All memory, and one that is off.
          0x0000_0003, Self.rasr(size: 31, access: 3),
          0x6000_0004, Self.rasr(size: 9, access: 2, on: false),
        ])
    }
    let regions = try #require(report.protection?.regions)
    #expect(
      regions.map(\.base) == ["0x00000000", "0x20000020", "0x40000000", "0x00000000", "0x60000000"])
    #expect(regions.map(\.size) == [1 << 20, 32, 512 << 20, 1 << 32, 1 << 10])
    #expect(
      regions.map(\.privileged) == [
        .read, MPUState.Access.none, .readWrite, .readWrite, .readWrite,
      ])
    #expect(
      regions.map(\.unprivileged)
        == [.read, MPUState.Access.none, MPUState.Access.none, .readWrite, .read])
    #expect(regions.map(\.isExecuteNever) == [false, true, true, false, false])
    #expect(regions.map(\.isEnabled) == [true, true, true, true, false])
    #expect(regions.map(\.disabledSubregions) == [[], [], [1, 7], [], []])
    for line in [
      "  on; privileged code may use what no region covers; 1 of 5 regions not in use\n",
      "  0  0x00000000  1 MiB         privileged read, unprivileged read, code may run\n",
      "  1  0x20000020  32 bytes      privileged none, unprivileged none, no code\n",
      "  2  0x40000000  512 MiB       privileged read and write, unprivileged none, no code, not in eighths 1 7\n",
      "  3  0x00000000  4 GiB         privileged read and write, unprivileged read and write, code may run\n",
    ] {
      #expect(report.text.contains(line), "\(line) is missing in \(report.text)")
    }
    #expect(!report.text.contains("0x60000000"))
  }

  @Test func `sizes and accesses that the architecture reserves are not guessed`() throws {
    let report = try report {
      $0.add(.mpu, words: [0x800, 0, 0x2000_00FF, Self.rasr(size: 3, access: 4)])
    }
    let region = try #require(report.protection?.regions.first)
    #expect(region.size == nil)
    #expect(region.privileged == nil)
    #expect(region.unprivileged == nil)
    #expect(report.protection?.isEnabled == false)
    #expect(report.text.contains("reserved size privileged reserved, unprivileged reserved"))
  }

  @Test func `every value of the two registers decodes`() {
    for exponent in UInt32(0)..<32 {
      for access in UInt32(0)..<8 {
        let region = MPUState.Region(
          rbar: .max, rasr: Self.rasr(size: exponent, access: access, holes: 0xFF))
        let decoded = region.decoded
        #expect((decoded.size == nil) == (exponent < 4))
        #expect(UInt64(decoded.base) % (decoded.size ?? 1) == 0)
        #expect((decoded.privileged == nil) == (access == 4))
        #expect(decoded.disabledSubregions.count == (exponent < 7 ? 0 : 8))
      }
    }
  }

  // MARK: - Interrupts and timer

  @Test func `interrupts are told by their numbers`() throws {
    let report = try report {
      $0.add(.nvic, words: [2, 1 << 5 | 1, 1 << 8, 0, 0, 1 << 31, 1 << 31])
    }
    #expect(report.interrupts == .init(enabled: [0, 5, 40], pending: [], active: [31, 63]))
    #expect(report.text.contains("  enabled  0 5 40\n  pending  none\n  active   31 63\n"))
  }

  @Test func `interrupts that were cut off are unknown, not quiet`() throws {
    let report = try report {
      $0.isTruncated = true
      // Claims 2 words of each; the pending ones end in the middle.
      $0.add(.nvic, little(UInt32(2)) + [UInt8](repeating: 1, count: 12), isTruncated: true)
    }
    #expect(report.interrupts?.enabled?.count == 8)
    #expect(report.interrupts?.pending == nil)
    #expect(report.interrupts?.active == nil)
    #expect(report.text.contains("  pending  unknown\n  active   unknown\n"))
  }

  @Test func `the system timer is told in words`() throws {
    let report = try report { $0.add(.sysTick, words: [0x1_0007, 0xFF00_1F3F, 99, 0]) }
    #expect(
      report.systemTimer
        == .init(
          isEnabled: true, raisesException: true, hasReachedZero: true,
          countsProcessorClock: true, reload: 7999, current: 99))
    let line =
      "  on, raises its exception, counts the processor's clock, reload 7999, current 99\n"
    #expect(report.text.contains(line))
  }

  @Test func `what a dump does not tell is absent`() throws {
    let report = try report { _ in }
    #expect(report.protection == nil && report.interrupts == nil && report.systemTimer == nil)
    for title in ["Memory protection", "Interrupts", "System timer", "Last events", "Redacted"] {
      #expect(!report.text.contains(title))
    }
    let json = String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
    #expect(!json.contains("protection") && !json.contains("interrupts"))
  }

  // MARK: - Redactions

  @Test func `redacted bytes of the stack are marked, and what follows is shown`() throws {
    let report = try report {
      var core = CoreWords()
      core.sp = 0x2000_0100
      $0.add(.core, words: core.words)
      $0.addMemory(at: 0x2000_0100, [UInt8](0x41..<0x41 + 20), isRedacted: true)
      // Overlapping runs, one of which reaches beyond the block.
      $0.add(.redaction, words: [0x2000_0102, 3, 0x2000_0104, 2, 0x2000_0112, 64])
    }
    #expect(
      report.stackHead.prefix(2) == [
        "0x20000100  41 42 -- -- -- -- 47 48 49 4a 4b 4c 4d 4e 4f 50  AB----GHIJKLMNOP",
        "0x20000110  51 52 -- -- -- -- -- -- -- -- -- -- -- -- -- --  QR--------------",
      ])
    #expect(report.regions.first?.redactedBytes == 6)
    #expect(report.text.contains("Stack, -- is redacted\n"))
    #expect(report.text.contains("20 bytes      interruptedStack, 6 bytes redacted\n"))
    #expect(report.text.contains("Redacted, shown as unknown\n  0x20000102  3 bytes\n"))
  }

  @Test func `a redaction list that was lost does not hide that there was one`() throws {
    let report = try report { $0.addMemory(at: 0x2000_0100, [0, 0, 0, 0], isRedacted: true) }
    #expect(report.text.contains("interruptedStack, parts redacted\n"))
    #expect(report.regions.first?.redactedBytes == 0)
  }

  @Test func `runs that hide everything up to the last address end there`() throws {
    let report = try report {
      var core = CoreWords()
      core.sp = 0xFFFF_FFFC
      $0.add(.core, words: core.words)
      $0.addMemory(at: 0xFFFF_FFF0, [UInt8](repeating: 7, count: 14))
      $0.add(.redaction, words: [0xFFFF_FFFE, 2])
    }
    #expect(report.stackHead.count == 1)
    #expect(report.stackHead.first?.hasPrefix("0xfffffffc  07 07 -- --  ") == true)
  }

  // MARK: - Events and context

  @Test func `events are a table, oldest first`() throws {
    let report = try report {
      let entries: [(UInt64, UInt32, UInt32)] = [(999_999, 1, 10), (12_000_001, 0xABCD, 0)]
      $0.add(.breadcrumbs, entries.flatMap { little($0.0) + little($0.1) + little($0.2) })
    }
    #expect(
      report.text.contains(
        """
        Last events, oldest first
            seconds  id          value
           0.999999  0x00000001  0x0000000a (10)
          12.000001  0x0000abcd  0x00000000 (0)

        """))
    #expect(report.breadcrumbs.map(\.uptimeSeconds) == [0.999_999, 12.000_001])
  }

  @Test func `what the fault path noted is said in words`() throws {
    func context(_ flags: UInt32) throws -> [String] {
      let report = try report {
        var core = CoreWords()
        core.flags = flags
        $0.add(.core, words: core.words)
      }
      return report.context.filter { $0.register == "capture" }.map(\.bit)
    }
    #expect(try context(1) == [])
    #expect(try context(0) == ["FRAME"])
    #expect(try context(0b1_0001) == ["GUARD"])
    #expect(try context(0b0_0101) == ["WARNING"])
    #expect(try context(0b0_1001) == ["NESTED"])
  }

  @Test func `a stack overflow names its stack`() throws {
    for (value, words) in [
      (0xFFFF_FFF9, "Stack overflow on the main stack"),
      (0xFFFF_FFF1, "Stack overflow on the main"),
      (0xFFFF_FFED, "Stack overflow on the process stack"), (0, "Stack overflow at"),
    ] as [(UInt32, String)] {
      let report = try report {
        $0.header.kind = .stackOverflow
        var core = CoreWords()
        core.excReturn = value
        $0.add(.core, words: core.words)
      }
      #expect(report.headline.hasPrefix(words), "\(report.headline)")
    }
  }

  @Test func `an imprecise bus fault does not blame the program counter`() throws {
    func busFault(_ cfsr: UInt32) throws -> DumpReport {
      try report {
        $0.header.kind = .busFault
        var core = CoreWords()
        core.pc = 0x1234
        $0.add(.core, words: core.words)
        $0.add(.faultStatus, words: [cfsr, 0, 0, 0, 0x6000_0000, 0, 0, 0])
      }
    }
    let imprecise = try busFault(1 << 10)
    #expect(imprecise.isImprecise)
    #expect(
      imprecise.headline
        == "Earlier store to an address where nothing answers, noticed at 0x00001234")
    #expect(imprecise.text.contains("The program counter is not the culprit"))
    for precise in try [busFault(1 << 9 | 1 << 15), busFault(1 << 9 | 1 << 10 | 1 << 15)] {
      #expect(!precise.isImprecise)
      #expect(!precise.text.contains("not the culprit"))
      #expect(
        precise.headline
          == "Access to an address where nothing answers (address 0x60000000) at 0x00001234")
    }
  }

  @Test func `records without memory and records of the fault path say so`() throws {
    let report = try report {
      $0.header.kind = .nestedFault
      $0.header.isRegisterOnly = true
      $0.header.isNested = true
      $0.add(.core, words: CoreWords().words)
    }
    #expect(report.headline.hasPrefix("Fault inside the fault path at "))
    #expect(
      report.text.contains(
        "taken inside the fault path, whose registers these are; registers only: no memory was kept"
      ))
  }

  @Test func `a dump of a megabyte of redactions and regions is reported in a moment`() throws {
    let report = try report {
      for i in UInt32(0)..<20_000 { $0.addMemory(at: i * 64, [1, 2, 3, 4]) }
      $0.add(.redaction, words: (0..<40_000).flatMap { [$0 * 32 + 1, 2] })
    }
    #expect(report.regions.count == 20_000)
    #expect(report.regions.allSatisfy { $0.redactedBytes == 2 })
  }
}
