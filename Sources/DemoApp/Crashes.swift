// Every way in which the demo can be made to crash, by the word that asks for it.

import CrashCapture
import DemoFaults

/// What a compiler cannot see through, so that each crash happens where it stands.
nonisolated(unsafe) private var opaque: Int32 = 0

enum Crashes {
  /// Crashes as the line asks; returns when it names no crash.
  static func run(_ line: borrowing LineBuffer) {
    let seed = line.lastNumber(otherwise: 0x5EED_0000)
    if line.begins(with: "crash null") { demo_null_call(seed) }
    if line.begins(with: "crash address") { demo_bad_address(seed) }
    if line.begins(with: "crash undefined") { demo_undefined_instruction(seed) }
    if line.begins(with: "crash divide") { demo_divide_by_zero(seed) }
    if line.begins(with: "crash unaligned") { demo_unaligned_access(seed) }
    if line.begins(with: "crash execute") { demo_execute_never(seed) }
    if line.begins(with: "crash protected") { demo_protected_memory(seed) }
    if line.begins(with: "crash hardfault") { demo_hard_fault(seed) }
    if line.begins(with: "crash floats") { demo_with_floats(seed) }
    if line.begins(with: "crash overflow") { overflow() }
    if line.begins(with: "crash bounds") { outOfBounds() }
    if line.begins(with: "crash nil") { unwrapNil() }
    if line.begins(with: "crash reason") { crashWithReason() }
    if line.begins(with: "crash assert") { failAssertion() }
    if line.begins(with: "hang masked") { hangWithInterruptsOff() }
    if line.begins(with: "hang") { hang() }
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
