// Deaths in a handler, in the fault path, and before main.

extension CrashCase {
  static let handlers: [CrashCase] = [
    // PendSV has the priority of the faults, so the fault escalates. LR holds what the handler would
    // have returned with.
    CrashCase(
      command: "crash handler 11220000", kind: .usageFault, exception: 3, cfsr: CFSR.undefinstr,
      hfsr: 1 << 30, pc: .function(["fault_in_handler"]), excReturn: 0xFFFF_FFF1,
      seed: 0x1122_0000, backtrace: ["fault_in_handler"]),
    // The frame is still that of the code which the handler had interrupted.
    CrashCase(
      command: "crash return 22330000", kind: .usageFault, exception: 6, cfsr: CFSR.invpc,
      pc: .function(["pend_handler"]), caller: "Crashes", excReturn: 0xFFFF_FFF3,
      seed: 0x2233_0000),
    CrashCase(
      command: "crash interrupt 33440000", kind: .unhandledException, exception: 16 + 40,
      pc: .function(["demo_unhandled_interrupt"]), caller: "Crashes", seed: 0x3344_0000,
      backtrace: ["demo_unhandled_interrupt", "run", "main"], activeInterrupt: 40),
    CrashCase(
      command: "crash call 44550000", kind: .unhandledException, exception: 11,
      pc: .function(["demo_unhandled_call"]), caller: "Crashes", seed: 0x4455_0000,
      backtrace: ["demo_unhandled_call", "run", "main"]),
  ]

  static let moments: [CrashCase] = [
    // Storing the dump is an undefined instruction. The record is of that second fault.
    CrashCase(
      command: "crash nested 55660000", kind: .nestedFault, exception: 3, cfsr: CFSR.undefinstr,
      hfsr: 1 << 30, pc: .symbol("martlet_hal_flash_program"),
      sp: .within("crash_stack", from: 32, count: 2016), isRegisterOnly: true, hasStack: false),
    // The fault path hangs in its turn, and the watchdog is the last resort.
    CrashCase(
      command: "crash stuck 5EED0000", kind: .watchdogReset, exception: nil, pc: .lost,
      seed: 0x5EED_0000, resetCause: .watchdog, bootResetCause: .unknown, sequence: 2,
      isRegisterOnly: true, hasStack: false),
    // The boot was not counted yet, so the record bears the number of the next one that was.
    CrashCase(
      command: "crash premain 66770000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .function(["demo_undefined_instruction"]), seed: 0x6677_0000, bootResetCause: .software,
      sequence: 3, isRegisterOnly: true, hasStack: false),
    // Configurable faults are still off: it arrives as HardFault.
    CrashCase(
      command: "crash early 77880000", kind: .usageFault, exception: 3, cfsr: CFSR.undefinstr,
      hfsr: 1 << 30, pc: .function(["demo_undefined_instruction"]), seed: 0x7788_0000,
      bootResetCause: .software, sequence: 3, isRegisterOnly: true, hasStack: false),
  ]

  /// Every way to die.
  static let all =
    faults + swift + hangs + overflows + wildStacks + handlers + moments
}
