// Every way in which the demo can be made to crash, by the word that asks for it.

import CrashCapture
import DemoFaults

/// What a compiler cannot see through, so that each crash happens where it stands.
nonisolated(unsafe) private var opaque: Int32 = 0

enum Crashes {
  /// Crashes as the line asks; returns when it names no crash.
  static func run(_ line: borrowing LineBuffer) {
    let seed = line.lastNumber(otherwise: 0x5EED_0000)
    runFault(line, seed)
    runStack(line, seed)
    if line.begins(with: "crash handler") { demo_fault_in_handler(seed) }
    if line.begins(with: "crash return") { demo_bad_exception_return(seed) }
    if line.begins(with: "crash interrupt") { demo_unhandled_interrupt(seed) }
    if line.begins(with: "crash call") { demo_unhandled_call(seed) }
    if line.begins(with: "crash early") { demo_crash_at(DEMO_FIRST_INSTRUCTION, seed) }
    if line.begins(with: "crash premain") { demo_crash_at(DEMO_BEFORE_MAIN, seed) }
    if line.begins(with: "crash overflow") { overflow() }
    if line.begins(with: "crash bounds") { outOfBounds() }
    if line.begins(with: "crash nil") { unwrapNil() }
    if line.begins(with: "crash reason") { crashWithReason() }
    if line.begins(with: "crash assert") { failAssertion() }
    if line.begins(with: "hang masked") { hangWithInterruptsOff() }
    if line.begins(with: "hang") { hang() }
  }

  /// Faults of one instruction.
  private static func runFault(_ line: borrowing LineBuffer, _ seed: UInt32) {
    if line.begins(with: "crash null") { demo_null_call(seed) }
    if line.begins(with: "crash address") { demo_bad_address(seed) }
    if line.begins(with: "crash late") { demo_late_bus_error(seed) }
    if line.begins(with: "crash fetch") { demo_unmapped_code(seed) }
    if line.begins(with: "crash undefined") { demo_undefined_instruction(seed) }
    if line.begins(with: "crash divide") { demo_divide_by_zero(seed) }
    if line.begins(with: "crash unaligned") { demo_unaligned_access(seed) }
    if line.begins(with: "crash nocp") { demo_no_coprocessor(seed) }
    if line.begins(with: "crash execute") { demo_execute_never(seed) }
    if line.begins(with: "crash ram") { demo_execute_ram(seed) }
    if line.begins(with: "crash code") { demo_write_code(seed) }
    if line.begins(with: "crash protected") { demo_protected_memory(seed) }
    if line.begins(with: "crash hardfault") { demo_hard_fault(seed) }
    if line.begins(with: "crash floats") { demo_with_floats(seed) }
    if line.begins(with: "crash abort") { demo_abort(seed) }
    if line.begins(with: "crash nested") { demo_broken_fault_path(seed) }
    if line.begins(with: "crash stuck") { demo_stuck_fault_path(seed) }
  }

  /// Stacks that overflow, and stack pointers that lie.
  private static func runStack(_ line: borrowing LineBuffer, _ seed: UInt32) {
    if line.begins(with: "crash recursion") { demo_recurse(seed) }
    if line.begins(with: "crash frame") { demo_large_frame(seed) }
    if line.begins(with: "crash thread") { demo_thread_overflow(seed) }
    if line.begins(with: "crash painted") { demo_painted_stack(seed) }
    guard let stack = wildStack(line) else { return }
    if line.begins(with: "crash sp") { demo_main_stack_at(seed, demo_wild_address(stack, 0)) }
    if line.begins(with: "crash psp") { demo_thread_stack_at(seed, demo_wild_address(stack, 1)) }
  }

  private static func wildStack(_ line: borrowing LineBuffer) -> demo_wild_stack? {
    if line.contains("unmapped") { return DEMO_STACK_UNMAPPED }
    if line.contains("bottom") { return DEMO_STACK_BOTTOM }
    if line.contains("unaligned") { return DEMO_STACK_UNALIGNED }
    if line.contains("code") { return DEMO_STACK_CODE }
    if line.contains("nor") { return DEMO_STACK_NOR }
    return nil
  }

  @inline(never)
  static func overflow() {
    opaque = Int32.max - opaque
    opaque += 1
  }

  @inline(never)
  static func outOfBounds() {
    let values: [4 of Int32] = [1, 2, 3, 4]
    opaque = values[Int(opaque) + 4]
  }

  @inline(never)
  static func unwrapNil() {
    let value: Int32? = opaque == 0 ? nil : opaque
    // The demo is there to crash.
    // swift-format-ignore: NeverForceUnwrap
    opaque = value!
  }

  /// Has a way back, because a compiler keeps no return address for a function that never returns.
  @inline(never)
  static func crashWithReason() {
    if opaque == 0 { CrashCapture.crash("the demo was asked to crash") }
  }

  @inline(never)
  static func failAssertion() { CrashCapture.assert(opaque != 0, "the opaque number is zero") }

  @inline(never)
  static func hang() {
    while opaque == 0 { demo_wait() }
  }

  @inline(never)
  static func hangWithInterruptsOff() {
    demo_mask_interrupts()
    while opaque == 0 { demo_wait() }
  }
}
