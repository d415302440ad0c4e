// What a fault was: the kind, told from the exception, the fault status and the instruction.

import BoardHAL
import DumpFormat

/// On the pointer, because a member of the context would copy all of it to the private stack.
extension UnsafePointer<FaultContext> {
  private var flags: UInt32 { pointee.flags }

  /// r0-r3, r12, LR, PC and xPSR are known.
  var hasFrame: Bool { flags & UInt32(MARTLET_CONTEXT_FRAME_VALID) != 0 }
  /// s0-s31 and FPSCR are the interrupted code's.
  var hasFloatingPoint: Bool { flags & UInt32(MARTLET_CONTEXT_FP_LIVE) != 0 }
  /// The fault was taken inside the fault path.
  var isNested: Bool { flags & UInt32(MARTLET_CONTEXT_NESTED) != 0 }
  /// The early warning entered the fault path.
  var isWarning: Bool { flags & UInt32(MARTLET_CONTEXT_WARNING) != 0 }

  /// The immediate of the `udf` at PC that raised this fault, if one did (T1 encoding, DExx).
  var trap: UInt32? {
    guard hasFrame, pointee.cfsr & 0x0001_0000 != 0 else { return nil }
    var length: UInt32 = 2
    guard let code = halReadable(pointee.pc & ~1, &length), length == 2 else { return nil }
    let instruction = code.load16(at: 0)
    return instruction >> 8 == 0xDE ? UInt32(instruction & 0xFF) : nil
  }

  /// What happened (docs/formats/dump.md, Crash kinds).
  var kind: CrashKind {
    if isNested { return .nestedFault }
    if isWarning { return .watchdogWarning }
    if flags & UInt32(MARTLET_CONTEXT_GUARD) != 0 { return .stackOverflow }
    let exception = pointee.exception
    if exception == 2 { return .nmi }
    if exception > 6 { return .unhandledException }
    if let trap {
      if trap == trapSwift { return .swiftTrap }
      if trap == trapCrash { return .crash }
      if trap == trapAssertion { return .assertion }
      if trap == trapAbort { return .abort }
    }
    // A bus fault that was only pended has no status bits.
    if exception == 5 { return .busFault }
    // Of what a stack pointer into code leads to, the attempt to use it came first.
    if exception == 4 { return .memManage }
    // An escalated fault arrives as HardFault and keeps its status bits.
    let cfsr = pointee.cfsr
    if cfsr >> 16 != 0 { return .usageFault }
    if cfsr & 0xFF00 != 0 { return .busFault }
    if cfsr & 0xFF != 0 { return .memManage }
    return .hardFault
  }
}
