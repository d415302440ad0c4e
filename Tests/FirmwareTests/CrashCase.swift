// What each of the demo's commands must leave in its dump: known beforehand, not recorded.

import DumpAnalysis
import DumpFormat
import Testing

/// One command and the truth about it.
struct CrashCase: Sendable, CustomTestStringConvertible {
  /// Where the program counter must be.
  enum Place: Sendable {
    /// In a function whose name has one of these in it.
    case function([String])
    case address(UInt32)
    case symbol(String)
    /// The exception frame could not be stored, and PC, LR, xPSR, r0-r3 and r12 went with it.
    case lost
  }

  /// An address, or the absence of one.
  enum Address: Sendable {
    case unknown
    case value(UInt32)
    /// Where the data symbol of this name lies, and so many bytes on.
    case symbol(String, UInt32 = 0)
    /// Somewhere in a run of bytes that begins so far from a symbol.
    case within(String, from: Int32, count: UInt32)
    /// In the demo's main stack, where the frame says.
    case mainStack
  }

  var command: String
  var kind: CrashKind
  /// The exception that was taken: 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault; `nil` when no
  /// register is known.
  var exception: UInt32?
  var cfsr: UInt32 = 0
  var hfsr: UInt32 = 0
  var mmfar: Address = .unknown
  var bfar: Address = .unknown
  var pc: Place
  /// The function that holds the return address in LR; `nil` when LR holds no such thing.
  var caller: String?
  var sp = Address.mainStack
  var excReturn: UInt32 = 0xFFFF_FFF9
  /// For the demo's assembly: each register is seed + N, but for those named.
  var seed: UInt32?
  var named: [Int: Address] = [:]
  var floats = false
  var reason: String?
  /// Function names from the innermost on; others may lie between them.
  var backtrace: [String] = []
  var swiftTrap: String?
  /// The next boot's.
  var resetCause = ResetCause.fault
  /// Of the boot that crashed.
  var bootResetCause = ResetCause.powerOn
  /// The boot that crashed, counted from the one that took the command.
  var boot: UInt32 = 0
  var sequence: UInt32 = 1
  /// Only registers are kept.
  var isRegisterOnly = false
  /// The stack pointer points at something.
  var hasStack = true
  /// Interrupts that the NVIC must show as enabled and active.
  var activeInterrupt: Int?

  var testDescription: String { command }
}

/// CFSR's bits by their names in the Armv7-M manual.
enum CFSR {
  static let iaccviol: UInt32 = 1 << 0
  static let daccviol: UInt32 = 1 << 1
  static let mstkerr: UInt32 = 1 << 4
  static let mmarvalid: UInt32 = 1 << 7
  static let ibuserr: UInt32 = 1 << 8
  static let preciserr: UInt32 = 1 << 9
  static let stkerr: UInt32 = 1 << 12
  static let bfarvalid: UInt32 = 1 << 15
  static let undefinstr: UInt32 = 1 << 16
  static let invstate: UInt32 = 1 << 17
  static let invpc: UInt32 = 1 << 18
  static let nocp: UInt32 = 1 << 19
  static let unaligned: UInt32 = 1 << 24
  static let divbyzero: UInt32 = 1 << 25
}
