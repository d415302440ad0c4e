// Deaths by one instruction, in assembly and in Swift, and hangs.

extension CrashCase {
  /// One instruction that fails, all registers set.
  static let faults: [CrashCase] = [
    // Called at an even address: the core refuses to leave Thumb state.
    CrashCase(
      command: "crash null 11110000", kind: .usageFault, exception: 6, cfsr: CFSR.invstate,
      pc: .address(0), caller: "demo_null_call", seed: 0x1111_0000, named: [3: .value(0)],
      backtrace: ["demo_null_call", "run", "main"]),
    CrashCase(
      command: "crash address 22220000", kind: .busFault, exception: 5,
      cfsr: CFSR.preciserr | CFSR.bfarvalid, bfar: .value(0xC000_0000),
      pc: .function(["demo_bad_address"]), caller: "Crashes", seed: 0x2222_0000,
      named: [3: .value(0xC000_0000)], backtrace: ["demo_bad_address", "run", "main"]),
    CrashCase(
      command: "crash undefined 33330000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["demo_undefined_instruction"]), caller: "Crashes", seed: 0x3333_0000,
      backtrace: ["demo_undefined_instruction", "run", "main"]),
    CrashCase(
      command: "crash divide 44440000", kind: .usageFault, exception: 6, cfsr: CFSR.divbyzero,
      pc: .function(["demo_divide_by_zero"]), caller: "Crashes", seed: 0x4444_0000,
      named: [3: .value(0)], backtrace: ["demo_divide_by_zero", "run", "main"]),
    CrashCase(
      command: "crash unaligned 55550000", kind: .usageFault, exception: 6, cfsr: CFSR.unaligned,
      pc: .function(["demo_unaligned_access"]), caller: "Crashes", seed: 0x5555_0000,
      named: [3: .value(0x0004_0001)], backtrace: ["demo_unaligned_access", "run", "main"]),
    // The default map forbids execution there; the manual gives no address for a fetch.
    CrashCase(
      command: "crash execute 66660000", kind: .memManage, exception: 4, cfsr: CFSR.iaccviol,
      pc: .address(0xA000_0000), caller: "Crashes", seed: 0x6666_0000,
      named: [3: .value(0xA000_0001)], backtrace: ["run", "main"]),
    CrashCase(
      command: "crash protected 77770000", kind: .memManage, exception: 4,
      cfsr: CFSR.daccviol | CFSR.mmarvalid, mmfar: .symbol("demo_secret"),
      pc: .function(["demo_protected_memory"]), caller: "Crashes", seed: 0x7777_0000,
      named: [3: .symbol("demo_secret")], backtrace: ["demo_protected_memory", "run", "main"]),
    // SVC cannot be taken while interrupts are masked: it escalates, FORCED tells so.
    CrashCase(
      command: "crash hardfault 88880000", kind: .hardFault, exception: 3, hfsr: 1 << 30,
      pc: .function(["demo_hard_fault"]), caller: "Crashes", seed: 0x8888_0000,
      backtrace: ["demo_hard_fault", "run", "main"]),
    CrashCase(
      command: "crash floats 3F800000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["demo_with_floats"]), caller: "Crashes", seed: 0x3F80_0000, floats: true,
      backtrace: ["demo_with_floats", "run", "main"]),
    CrashCase(
      command: "crash nocp 99990000", kind: .usageFault, exception: 6, cfsr: CFSR.nocp,
      pc: .function(["demo_no_coprocessor"]), caller: "Crashes", seed: 0x9999_0000,
      backtrace: ["demo_no_coprocessor", "run", "main"]),
    // The default map allows execution there, but nothing answers.
    CrashCase(
      command: "crash fetch AAAA0000", kind: .busFault, exception: 5, cfsr: CFSR.ibuserr,
      pc: .address(0x1000_0000), caller: "Crashes", seed: 0xAAAA_0000,
      named: [3: .value(0x1000_0001)], backtrace: ["run", "main"]),
    // QEMU reports every bus error at the access itself, so this one is pended by hand: no status.
    CrashCase(
      command: "crash late BBBB0000", kind: .busFault, exception: 5,
      pc: .function(["demo_late_bus_error"]), caller: "Crashes", seed: 0xBBBB_0000,
      named: [2: .value(0x0007_4000), 3: .value(0xE000_ED24)],
      backtrace: ["demo_late_bus_error", "run", "main"]),
    CrashCase(
      command: "crash ram CCCC0000", kind: .memManage, exception: 4, cfsr: CFSR.iaccviol,
      pc: .symbol("demo_secret"), caller: "Crashes", seed: 0xCCCC_0000,
      named: [3: .symbol("demo_secret", 1)], backtrace: ["run", "main"]),
    CrashCase(
      command: "crash code DDDD0000", kind: .memManage, exception: 4,
      cfsr: CFSR.daccviol | CFSR.mmarvalid, mmfar: .within("demo_write_code", from: -3, count: 5),
      pc: .function(["demo_write_code"]), caller: "Crashes", seed: 0xDDDD_0000,
      named: [3: .within("demo_write_code", from: -3, count: 5)],
      backtrace: ["demo_write_code", "run", "main"]),
    CrashCase(
      command: "crash abort EEEE0000", kind: .abort, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["abort"]), caller: "demo_abort", seed: 0xEEEE_0000,
      backtrace: ["abort", "demo_abort", "run", "main"]),
  ]

  /// In Swift: each trap is `udf`, so CFSR says undefined instruction.
  static let swift: [CrashCase] = [
    CrashCase(
      command: "crash overflow", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["overflow"]), caller: "Crashes", backtrace: ["overflow", "run", "main"],
      swiftTrap: "arithmetic overflow"),
    CrashCase(
      command: "crash bounds", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["outOfBounds"]), caller: "Crashes", backtrace: ["outOfBounds", "run", "main"]),
    CrashCase(
      command: "crash nil", kind: .swiftTrap, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["unwrapNil"]), caller: "Crashes", backtrace: ["unwrapNil", "run", "main"]),
    CrashCase(
      command: "crash reason", kind: .crash, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["martlet_hal_crash"]), caller: "crashWithReason",
      reason: "the demo was asked to crash",
      backtrace: ["martlet_hal_crash", "crashWithReason", "run", "main"]),
    CrashCase(
      command: "crash assert", kind: .assertion, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["martlet_hal_crash"]), caller: "failAssertion",
      reason: "the opaque number is zero",
      backtrace: ["martlet_hal_crash", "failAssertion", "run", "main"]),
  ]

  static let hangs: [CrashCase] = [
    // Interrupt 17 of the controller; the core's own come before it.
    CrashCase(
      command: "hang", kind: .watchdogWarning, exception: 16 + 17,
      pc: .function(["hang", "demo_wait"]), caller: nil, backtrace: ["hang", "run", "main"],
      activeInterrupt: 17),
    // Nothing is known but that the watchdog bit; sequence 1 is the fault path's, which never ran.
    CrashCase(
      command: "hang masked", kind: .watchdogReset, exception: nil, pc: .lost,
      resetCause: .watchdog, bootResetCause: .unknown, sequence: 2, isRegisterOnly: true,
      hasStack: false),
  ]
}
