// Stacks that overflow, and stack pointers that lie.

extension CrashCase {
  /// The push that does not fit is refused, and so is the exception frame: both status bits.
  private static let overflow = CFSR.daccviol | CFSR.mmarvalid | CFSR.mstkerr

  /// Each pushes until it meets the guard, 32 bytes at the bottom.
  static let overflows: [CrashCase] = [
    CrashCase(
      command: "crash recursion 12340000", kind: .stackOverflow, exception: 4, cfsr: overflow,
      mmfar: .within("martlet_stack_bottom", from: 0, count: 32), pc: .lost,
      sp: .within("martlet_stack_bottom", from: 32, count: 16),
      seed: 0x1234_0000),
    // Far below the guard, in memory that is read-only because it is code's.
    CrashCase(
      command: "crash frame 23450000", kind: .stackOverflow, exception: 4, cfsr: overflow,
      mmfar: .within("martlet_stack_bottom", from: -0x8000, count: 0x8000), pc: .lost,
      sp: .within("martlet_stack_bottom", from: -0x8000, count: 0x8000),
      seed: 0x2345_0000),
    CrashCase(
      command: "crash thread 34560000", kind: .stackOverflow, exception: 4, cfsr: overflow,
      mmfar: .within("demo_thread_stack", from: 0, count: 32), pc: .lost,
      sp: .within("demo_thread_stack", from: 32, count: 16),
      excReturn: 0xFFFF_FFFD, seed: 0x3456_0000),
  ]

  /// Each executes an undefined instruction, whose frame has nowhere to go.
  static let wildStacks: [CrashCase] = [
    CrashCase(
      command: "crash sp unmapped 45670000", kind: .busFault, exception: 5,
      cfsr: CFSR.undefinstr | CFSR.stkerr, pc: .lost, sp: .value(0xD000_0000), seed: 0x4567_0000,
      hasStack: false),
    CrashCase(
      command: "crash sp bottom 56780000", kind: .stackOverflow, exception: 4,
      cfsr: CFSR.undefinstr | CFSR.mstkerr, pc: .lost, sp: .symbol("martlet_stack_bottom", 16),
      seed: 0x5678_0000),
    // The frame is aligned by the core: all is known.
    CrashCase(
      command: "crash sp unaligned 67890000", kind: .usageFault, exception: 6,
      cfsr: CFSR.undefinstr, pc: .function(["demo_main_stack_at"]), caller: "Crashes",
      sp: .symbol("martlet_stack_bottom", 256 + 4), seed: 0x6789_0000),
    CrashCase(
      command: "crash sp code 789A0000", kind: .memManage, exception: 4,
      cfsr: CFSR.undefinstr | CFSR.mstkerr, pc: .lost,
      sp: .within("martlet_code_start", from: 1017, count: 8),
      seed: 0x789A_0000),
    // The flash controller takes the frame and loses it: no status bit tells.
    CrashCase(
      command: "crash sp nor 89AB0000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .lost, sp: .value(0x8000_1000), seed: 0x89AB_0000, hasStack: false),
    CrashCase(
      command: "crash psp unmapped 9ABC0000", kind: .busFault, exception: 5,
      cfsr: CFSR.undefinstr | CFSR.stkerr, pc: .lost, sp: .value(0xD000_0000),
      excReturn: 0xFFFF_FFFD, seed: 0x9ABC_0000, hasStack: false),
    CrashCase(
      command: "crash psp bottom ABCD0000", kind: .stackOverflow, exception: 4,
      cfsr: CFSR.undefinstr | CFSR.mstkerr, pc: .lost, sp: .symbol("demo_thread_stack", 16),
      excReturn: 0xFFFF_FFFD, seed: 0xABCD_0000),
    CrashCase(
      command: "crash psp unaligned BCDE0000", kind: .usageFault, exception: 6,
      cfsr: CFSR.undefinstr, pc: .function(["demo_thread_stack_at"]),
      sp: .symbol("demo_thread_stack", 256 + 4), excReturn: 0xFFFF_FFFD, seed: 0xBCDE_0000),
    CrashCase(
      command: "crash psp code CDEF0000", kind: .memManage, exception: 4,
      cfsr: CFSR.undefinstr | CFSR.mstkerr, pc: .lost,
      sp: .within("martlet_code_start", from: 1017, count: 8),
      excReturn: 0xFFFF_FFFD, seed: 0xCDEF_0000),
    CrashCase(
      command: "crash psp nor DEF00000", kind: .usageFault, exception: 6, cfsr: CFSR.undefinstr,
      pc: .lost, sp: .value(0x8000_1000), excReturn: 0xFFFF_FFFD, seed: 0xDEF0_0000,
      hasStack: false),
  ]
}
