// Pairs of a real ELF file and a dump of what really happened in it.

import DumpFormat
import Foundation
import MartletTestKit
import Testing

@testable import DumpAnalysis

/// A crash of one of the programs in the folder Golden. Registers and stack are those of the
/// program as it ran on an emulated Cortex-M4 (QEMU, mps2-an386) up to the crashing instruction.
struct GoldenPair: Sendable, CustomTestStringConvertible {
  var name: String
  var elfName: String
  var kind: CrashKind
  var core: CoreWords
  var cfsr: UInt32
  var stack: [UInt32]

  var testDescription: String { name }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden")

  var elfURL: URL { Self.folder.appendingPathComponent(elfName) }
  var dumpURL: URL { Self.folder.appendingPathComponent("\(name).dump") }

  func elf() throws -> ELFImage { try ELFImage(contentsOf: elfURL) }

  func dump() throws -> DecodedDump {
    try DecodedDump(bytes: [UInt8](Data(contentsOf: dumpURL)))
  }

  /// The dump as it was recorded.
  func built() throws -> [UInt8] {
    var builder = DumpBuilder.blank
    builder.header.kind = kind
    builder.header.buildID = try elf().requireBuildID()
    builder.header.uptime = 1_500_000
    builder.header.resetCause = .powerOn
    builder.header.setVersion("golden")
    builder.header.fingerprint = Fingerprint(
      buildID: builder.header.buildID, kind: kind, pc: core.pc, lr: core.lr)
    builder.add(.core, words: core.words)
    builder.add(.faultStatus, words: [cfsr, 0, 0, 0, 0, 0, 0, 0])
    builder.addMemory(at: core.sp, stack.flatMap(little))
    builder.add(.image, words: [0, 0x200])
    builder.addEnd()
    return builder.bytes
  }

  static let all = [divisionByZero, nullCall, outOfBounds]

  static let divisionByZero = GoldenPair(
    name: "division-by-zero", elfName: "crash.elf", kind: .usageFault,
    core: .with(r: [0: 420, 2: 420], sp: 0x2000_FFE8, lr: 0x59, pc: 0x42, xpsr: 0x4100_0000),
    cfsr: 0x0200_0000, stack: [0, 420, 0, 420, 0, 0x1F])

  static let nullCall = GoldenPair(
    name: "null-call", elfName: "crash.elf", kind: .usageFault,
    core: .with(r: [0: 121, 2: 0xC2], sp: 0x2000_FFF8, lr: 0x8B, pc: 0, xpsr: 0x4000_0000),
    cfsr: 0x0002_0000, stack: [0, 0x23])

  static let outOfBounds = GoldenPair(
    name: "out-of-bounds", elfName: "trap.elf", kind: .swiftTrap,
    core: .with(
      r: [0: 4, 1: 7, 2: 11, 3: 13, 4: 17, 5: 4, 6: 48, 7: 17], sp: 0x2000_FFD0, lr: 0x73,
      pc: 0x54, xpsr: 0x2100_0000),
    cfsr: 0x0001_0000,
    stack: [7, 11, 13, 17, 9, 0x73, 17, 0, 0, 0, 0, 0x33])
}

extension CoreWords {
  static func with(
    r values: [Int: UInt32], sp: UInt32, lr: UInt32, pc: UInt32, xpsr: UInt32
  ) -> CoreWords {
    var core = CoreWords()
    for (register, value) in values { core.r[register] = value }
    (core.sp, core.lr, core.pc, core.xpsr) = (sp, lr, pc, xpsr)
    return core
  }
}
