// What each of the demo's commands must leave in its dump: known beforehand, not recorded.

import DumpAnalysis
import DumpFormat
import Testing

/// One command and the truth about it.
struct CrashCase: Sendable, CustomTestStringConvertible {
  /// Where the program counter must be.
  enum Place: Sendable {
    /// In the function whose symbol has this in its name.
    case function(String)
    case address(UInt32)
  }

  var command: String
  var kind: CrashKind
  /// The exception that was taken: 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault.
  var exception: UInt32
  var cfsr: UInt32 = 0
  var hfsr: UInt32 = 0
  var mmfar: Address = .unknown
  var bfar: Address = .unknown
  var pc: Place
  /// The function that holds the return address in LR.
  var caller: String
  /// For the demo's assembly: each register is seed + N, but for those named.
  var seed: UInt32?
  var named: [Int: Address] = [:]
  var floats = false
  var reason: String?
  /// Function names from the innermost on; others may lie between them.
  var backtrace: [String]
  var swiftTrap: String?
  var resetCause = ResetCause.fault

  var testDescription: String { command }

  /// An address, or the absence of one.
  enum Address: Sendable {
    case unknown
    case value(UInt32)
    /// Where the data symbol of this name lies.
    case symbol(String)
  }
}

/// CFSR's bits by their names in the Armv7-M manual.
private enum CFSR {
  static let iaccviol: UInt32 = 1 << 0
  static let daccviol: UInt32 = 1 << 1
  static let mmarvalid: UInt32 = 1 << 7
  static let preciserr: UInt32 = 1 << 9
  static let bfarvalid: UInt32 = 1 << 15
  static let undefinstr: UInt32 = 1 << 16
  static let invstate: UInt32 = 1 << 17
  static let unaligned: UInt32 = 1 << 24
  static let divbyzero: UInt32 = 1 << 25
}

extension CrashCase {
  /// In assembly, all registers set.
  static let assembly: [CrashCase] = [
    // Called at an even address: the core refuses to leave Thumb state.
    CrashCase(
      command: "crash null 11110000", kind: .usageFault, exception: 6, cfsr: CFSR.invstate,
      pc: .address(0), caller: "demo_null_call", seed: 0x1111_0000, named: [3: .value(0)],
      backtrace: ["demo_null_call", "run", "main"]),
    CrashCase(
      command: "crash address 22220000", kind: .busFault, exception: 5,
      cfsr: CFSR.preciserr | CFSR.bfarvalid, bfar: .value(0xC000_0000),
      pc: .function("demo_bad_address"), caller: "Crashes", seed: 0x2222_0000,
      named: [3: .value(0xC000_0000)], backtrace: ["demo_bad_address", "run", "main"]),
    CrashCase(
      command: "crash undefined 33330000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("demo_undefined_instruction"), caller: "Crashes", seed: 0x3333_0000,
      backtrace: ["demo_undefined_instruction", "run", "main"]),
    CrashCase(
      command: "crash divide 44440000", kind: .usageFault, exception: 6, cfsr: CFSR.divbyzero,
      pc: .function("demo_divide_by_zero"), caller: "Crashes", seed: 0x4444_0000,
      named: [3: .value(0)], backtrace: ["demo_divide_by_zero", "run", "main"]),
    CrashCase(
      command: "crash unaligned 55550000", kind: .usageFault, exception: 6, cfsr: CFSR.unaligned,
      pc: .function("demo_unaligned_access"), caller: "Crashes", seed: 0x5555_0000,
      named: [3: .value(0x0004_0001)], backtrace: ["demo_unaligned_access", "run", "main"]),
    // The default map forbids execution there; the manual gives no address for a fetch.
    CrashCase(
      command: "crash execute 66660000", kind: .memManage, exception: 4, cfsr: CFSR.iaccviol,
      pc: .address(0xA000_0000), caller: "Crashes", seed: 0x6666_0000,
      named: [3: .value(0xA000_0001)], backtrace: ["run", "main"]),
    CrashCase(
      command: "crash protected 77770000", kind: .memManage, exception: 4,
      cfsr: CFSR.daccviol | CFSR.mmarvalid, mmfar: .symbol("demo_secret"),
      pc: .function("demo_protected_memory"), caller: "Crashes", seed: 0x7777_0000,
      named: [3: .symbol("demo_secret")], backtrace: ["demo_protected_memory", "run", "main"]),
    // SVC cannot be taken while interrupts are masked: it escalates, FORCED tells so.
    CrashCase(
      command: "crash hardfault 88880000", kind: .hardFault, exception: 3, hfsr: 1 << 30,
      pc: .function("demo_hard_fault"), caller: "Crashes", seed: 0x8888_0000,
      backtrace: ["demo_hard_fault", "run", "main"]),
    CrashCase(
      command: "crash floats 3F800000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("demo_with_floats"), caller: "Crashes", seed: 0x3F80_0000, floats: true,
      backtrace: ["demo_with_floats", "run", "main"]),
  ]

  /// In Swift: each trap is `udf`, so CFSR says undefined instruction.
  static let swift: [CrashCase] = [
    CrashCase(
      command: "crash overflow", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("overflow"), caller: "Crashes", backtrace: ["overflow", "run", "main"],
      swiftTrap: "arithmetic overflow"),
    CrashCase(
      command: "crash bounds", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("outOfBounds"), caller: "Crashes", backtrace: ["outOfBounds", "run", "main"]),
    CrashCase(
      command: "crash nil", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("unwrapNil"), caller: "Crashes", backtrace: ["unwrapNil", "run", "main"]),
    CrashCase(
      command: "crash reason", kind: .crash, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("martlet_hal_crash"), caller: "crashWithReason",
      reason: "the demo was asked to crash",
      backtrace: ["martlet_hal_crash", "crashWithReason", "run", "main"]),
    CrashCase(
      command: "crash assert", kind: .assertion, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function("martlet_hal_crash"), caller: "failAssertion",
      reason: "the opaque number is zero",
      backtrace: ["martlet_hal_crash", "failAssertion", "run", "main"]),
  ]
}
