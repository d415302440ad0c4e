// The fault status registers in words, bit by bit, after the ARMv7-M Architecture Reference Manual.

import DumpFormat

/// What the status registers of a crash say, as short sentences.
public struct FaultStatusWords: Equatable, Sendable {
  /// One set bit and what it means.
  public struct Finding: Codable, Equatable, Sendable {
    /// `CFSR`, `HFSR`, `DFSR`, `EXC_RETURN`, `xPSR`, `CONTROL`, or `capture` for what the fault path
    /// itself noted.
    public var register: String
    /// The manual's name of the bit, such as `DIVBYZERO`.
    public var bit: String
    /// A sentence for people, without a full stop.
    public var words: String
  }

  /// What the fault status registers say: CFSR, then HFSR, then DFSR.
  public var faults: [Finding]
  /// What the code was doing: EXC_RETURN, xPSR, CONTROL, and what the fault path noted.
  public var context: [Finding]
  /// What happened, in a few words in lower case: `division by zero`.
  public var headline: String
  /// The program counter lies behind the instruction that caused the fault, by an unknown distance.
  public var isImprecise: Bool

  /// The words for a dump.
  public init(_ dump: DecodedDump) {
    self.init(
      kind: dump.header.kind, status: dump.faultStatus, core: dump.core)
  }

  /// - Parameters:
  ///   - kind: what the prologue says.
  ///   - status: registers that are `nil` add no words.
  ///   - core: the same.
  public init(
    kind: CrashKind, status: FaultStatus?, core: CoreRegisters? = nil
  ) {
    faults =
      Self.findings("CFSR", status?.cfsr, in: Self.cfsrBits, status)
      + Self.findings("HFSR", status?.hfsr, in: Self.hfsrBits, status)
      + Self.findings("DFSR", status?.dfsr, in: Self.dfsrBits, status)
    context = Self.context(of: core)
    headline = Self.headline(kind: kind, faults: faults, status: status, core: core)
    let names = Set(faults.map(\.bit))
    isImprecise =
      [.busFault, .hardFault].contains(kind) && names.contains("IMPRECISERR")
      && !names.contains("PRECISERR")
  }

  private static func findings(
    _ register: String, _ value: UInt32?, in bits: [Bit], _ status: FaultStatus?
  ) -> [Finding] {
    guard let value else { return [] }
    return bits.filter { value & 1 << $0.number != 0 }.map {
      var words = $0.words
      if $0.name == "MMARVALID", let address = status?.mmfar { words += ": \(address.hex)" }
      if $0.name == "BFARVALID", let address = status?.bfar { words += ": \(address.hex)" }
      return Finding(register: register, bit: $0.name, words: words)
    }
  }
}

// MARK: - The bits

extension FaultStatusWords {
  struct Bit {
    var number: UInt32
    var name: String
    var words: String
    /// The headline of a crash in which this bit is the first that is set.
    var headline: String?

    init(_ number: UInt32, _ name: String, _ words: String, headline: String? = nil) {
      self.number = number
      self.name = name
      self.words = words
      self.headline = headline
    }
  }

  /// B3.2.15: MemManage in bits 0 to 7, BusFault in 8 to 15, UsageFault in 16 to 25.
  static let cfsrBits: [Bit] = [
    Bit(
      0, "IACCVIOL", "The processor tried to run code where that is forbidden",
      headline: "running code where that is forbidden"),
    Bit(
      1, "DACCVIOL", "A load or store touched memory where that is forbidden",
      headline: "forbidden memory access"),
    Bit(
      3, "MUNSTKERR", "Returning from an exception read a forbidden stack",
      headline: "forbidden stack on return from an exception"),
    Bit(
      4, "MSTKERR", "Entering an exception wrote to a forbidden stack",
      headline: "forbidden stack on entry of an exception"),
    Bit(
      5, "MLSPERR", "Saving floating-point registers late wrote to a forbidden stack",
      headline: "forbidden stack while saving floating-point registers"),
    Bit(7, "MMARVALID", "The address that was refused is known"),
    Bit(
      8, "IBUSERR", "The processor fetched an instruction where nothing answers",
      headline: "running code where nothing answers"),
    Bit(
      9, "PRECISERR", "A load or store went where nothing answers, at this very instruction",
      headline: "access to an address where nothing answers"),
    Bit(
      10, "IMPRECISERR",
      "A store before this instruction went where nothing answers; which one is not known",
      headline: "earlier store to an address where nothing answers"),
    Bit(
      11, "UNSTKERR", "Returning from an exception read a stack where nothing answers",
      headline: "stack where nothing answers, on return from an exception"),
    Bit(
      12, "STKERR", "Entering an exception wrote to a stack where nothing answers",
      headline: "stack where nothing answers, on entry of an exception"),
    Bit(
      13, "LSPERR", "Saving floating-point registers late wrote where nothing answers",
      headline: "stack where nothing answers while saving floating-point registers"),
    Bit(15, "BFARVALID", "The address that did not answer is known"),
    Bit(
      16, "UNDEFINSTR", "The processor met an instruction that does not exist",
      headline: "undefined instruction"),
    Bit(
      17, "INVSTATE",
      "The processor was told to leave Thumb state, as a call to address 0 or to data does",
      headline: "jump to something that is no code"),
    Bit(
      18, "INVPC", "The return from an exception was not valid",
      headline: "invalid return from an exception"),
    Bit(
      19, "NOCP", "The code used a coprocessor that is off or absent, such as the floating point",
      headline: "use of a coprocessor that is off"),
    Bit(
      24, "UNALIGNED", "A load or store went to an address that is not aligned",
      headline: "unaligned access"),
    Bit(25, "DIVBYZERO", "A division had zero as its divisor", headline: "division by zero"),
  ]

  /// B3.2.16.
  static let hfsrBits: [Bit] = [
    Bit(
      1, "VECTTBL", "Reading the vector table failed when an exception was taken",
      headline: "unreadable vector table"),
    Bit(30, "FORCED", "A fault that could not be handled by its own handler became a HardFault"),
    Bit(
      31, "DEBUGEVT", "A debug event became a HardFault, for want of a debugger",
      headline: "breakpoint without a debugger"),
  ]

  /// C1.6.1.
  static let dfsrBits: [Bit] = [
    Bit(0, "HALTED", "A debugger asked the processor to halt"),
    Bit(1, "BKPT", "The code met a breakpoint instruction", headline: "breakpoint"),
    Bit(2, "DWTTRAP", "A watchpoint matched"),
    Bit(3, "VCATCH", "A vector catch matched"),
    Bit(4, "EXTERNAL", "An external request asked the processor to halt"),
  ]
}

// MARK: - Headline

extension FaultStatusWords {
  private static func headline(
    kind: CrashKind, faults: [Finding], status: FaultStatus?, core: CoreRegisters?
  ) -> String {
    switch kind {
    case .swiftTrap: return "Swift runtime check failed"
    case .crash: return "crash was called"
    case .assertion: return "assertion failed"
    case .abort: return "abort was called"
    case .watchdogWarning: return "hang: the watchdog was about to bite"
    case .watchdogReset: return "hang: the watchdog reset the board"
    case .stackOverflow: return "stack overflow" + stackName(core)
    case .nestedFault: return "fault inside the fault path"
    case .nmi: return "non-maskable interrupt that nobody handles"
    case .unhandledException: return "exception that nobody handles"
    case .hardFault, .memManage, .busFault, .usageFault: break
    }
    let all = cfsrBits + hfsrBits + dfsrBits
    let names = Set(faults.map(\.bit))
    let first = all.first { names.contains($0.name) && $0.headline != nil }
    var text = first?.headline ?? Self.plain(kind)
    if let address = status?.mmfar ?? status?.bfar { text += " (address \(address.hex))" }
    return text
  }

  /// The stack that the interrupted code used (B1.5.8).
  private static func stackName(_ core: CoreRegisters?) -> String {
    switch (core?.excReturn).map({ $0 & 0xF }) {
    case 1, 9: " on the main stack"
    case 13: " on the process stack"
    default: ""
    }
  }

  private static func plain(_ kind: CrashKind) -> String {
    switch kind {
    case .memManage: "memory protection violation"
    case .busFault: "bus error"
    case .usageFault: "usage fault"
    default: "hard fault"
    }
  }
}

// MARK: - Context

extension FaultStatusWords {
  private static func context(of core: CoreRegisters?) -> [Finding] {
    var findings: [Finding] = []
    func add(_ register: String, _ bit: String, _ words: String) {
      findings.append(Finding(register: register, bit: bit, words: words))
    }
    if let value = core?.excReturn {
      // B1.5.8: the three defined pairs of bits 2 and 3, and bit 4 for the frame.
      switch value & 0xF {
      case 1: add("EXC_RETURN", "Mode", "An exception handler was running, on the main stack")
      case 9: add("EXC_RETURN", "Mode", "Ordinary code was running, on the main stack")
      case 13: add("EXC_RETURN", "Mode", "Ordinary code was running, on the process stack")
      default: add("EXC_RETURN", "Mode", "The exception return value \(value.hex) is not valid")
      }
      add(
        "EXC_RETURN", "FType",
        value & 1 << 4 == 0
          ? "Floating-point registers are part of the exception frame"
          : "The exception frame holds no floating-point registers")
    }
    if let value = core?.xpsr {
      let exception = value & 0x1FF
      if exception != 0 {
        add("xPSR", "ISR_NUMBER", "The code ran inside \(exceptionName(exception))")
      }
      if value & 1 << 24 == 0 { add("xPSR", "T", "Thumb state was lost: no code can run so") }
      if value & 0x0600_FC00 != 0 {
        add("xPSR", "ICI/IT", "The code was inside an IT block or an interrupted multiple access")
      }
      if value & 1 << 9 != 0 {
        add("xPSR", "STKALIGN", "The stack was realigned to 8 bytes when the exception was taken")
      }
    }
    if let value = core?.control {
      add(
        "CONTROL", "nPRIV",
        value & 1 != 0 ? "The code ran without privileges" : "The code ran with privileges")
      add(
        "CONTROL", "SPSEL",
        value & 2 != 0
          ? "Ordinary code uses the process stack" : "Ordinary code uses the main stack"
      )
      if value & 4 != 0 { add("CONTROL", "FPCA", "Floating point was in use") }
    }
    if let flags = core?.flags {
      if flags & 1 == 0 {
        add(
          "capture", "FRAME",
          "The exception frame was not read: r0-r3, r12, lr, pc and xpsr are not known")
      }
      if flags & 4 != 0 { add("capture", "WARNING", "The watchdog was about to bite") }
      if flags & 8 != 0 {
        add("capture", "NESTED", "The fault was in the fault path itself; so are the registers")
      }
      if flags & 16 != 0 {
        add("capture", "GUARD", "A stack reached its guard, or went beyond its low end")
      }
    }
    return findings
  }

  /// The name of an exception by its number (B1.5.2).
  static func exceptionName(_ number: UInt32) -> String {
    switch number {
    case 1: "Reset"
    case 2: "NMI"
    case 3: "HardFault"
    case 4: "MemManage"
    case 5: "BusFault"
    case 6: "UsageFault"
    case 11: "SVCall"
    case 12: "DebugMonitor"
    case 14: "PendSV"
    case 15: "SysTick"
    case 16...: "the handler of interrupt \(number - 16)"
    default: "exception \(number)"
    }
  }
}
