// Dumps for these tests, and their words.

import DumpFormat
import MartletTestKit

@testable import DumpAnalysis

/// The core block's words; frame known, thread mode on the main stack.
struct CoreWords {
  var r = [UInt32](repeating: 0, count: 13)
  var sp: UInt32 = 0
  var lr: UInt32 = 0
  var pc: UInt32 = 0
  var xpsr: UInt32 = 0x0100_0000
  var excReturn: UInt32 = 0xFFFF_FFF9
  var flags: UInt32 = 1
  var exception: UInt32 = 6

  /// The exception frame of 8 words lies below SP.
  var words: [UInt32] {
    r + [sp, lr, pc, xpsr, excReturn, sp &- 32, 0x2000_8000, 0, 0, 0, 0, flags, exception]
  }
}

func little<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
  (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * Number($0))) }
}

extension DumpBuilder {
  /// A dump of boot 7 without blocks, whose header knows nothing.
  static var blank: DumpBuilder {
    var builder = DumpBuilder()
    builder.header = DumpHeader(kind: .usageFault, key: DumpKey(bootCount: 7, sequence: 1))
    return builder
  }

  /// The dump as it is so far, without an end block of its own.
  var bytes: [UInt8] { build(withEnd: false) }

  /// One block of every type: a dump that knows everything.
  static var everything: DumpBuilder {
    var builder = DumpBuilder.blank
    builder.header.uptime = 12_345_678
    builder.header.resetCause = .fault
    builder.header.occurrences = 3
    builder.header.setVersion("1.2.3")
    for i in 0..<BuildID.count { builder.header.buildID.bytes[i] = UInt8(0x1A + i) }
    var core = CoreWords()
    core.r = (0..<13).map { 0x100 + $0 }
    (core.sp, core.lr, core.pc) = (0x2000_0100, 0x567, 0x1234)
    core.excReturn = 0xFFFF_FFE9
    core.flags = 3
    builder.add(.core, words: core.words)
    builder.add(.faultStatus, words: [0x0200_8200, 0x4000_0000, 0, 0xAA, 0xBEEF_0000, 0, 7, 3])
    builder.add(.floatingPoint, words: (0..<32).map { 0x3F80_0000 + $0 } + [0x10])
    builder.add(.mpu, words: [0x800, 5, 0x10, 0x11, 0x20, 0x21])
    builder.add(.nvic, words: [2, 1, 2, 3, 4, 5, 6])
    builder.add(.sysTick, words: [7, 8, 9, 10])
    builder.addMemory(at: 0x2000_0100, (0..<64).map { $0 })
    builder.addMemory(
      at: 0x2000_1000, role: .registeredRegion, region: 9, Array(repeating: 0, count: 21),
      isRedacted: true)
    builder.add(.redaction, words: [0x2000_1004, 8])
    builder.add(.breadcrumbs, little(UInt64(1_000_000)) + little(UInt32(1)) + little(UInt32(42)))
    builder.add(.reason, Array("tank empty".utf8))
    builder.add(.image, words: [0x1000, 0x800])
    builder.add(BlockType(rawValue: 0x7777), [1, 2, 3])
    builder.addEnd()
    return builder
  }
}
