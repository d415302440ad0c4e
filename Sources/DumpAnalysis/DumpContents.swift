// The parts of a decoded dump: processor state, memory, and what the image told of itself.

/// The core registers. What was not known at the crash, or was cut off, is `nil`.
public struct CoreRegisters: Equatable, Sendable {
  /// r0 to r12: always 13 entries.
  public var r: [UInt32?]
  /// The stack pointer before the exception.
  public var sp: UInt32?
  public var lr: UInt32?
  public var pc: UInt32?
  public var xpsr: UInt32?
  public var excReturn: UInt32?
  /// Main stack pointer at the entry of the fault path.
  public var msp: UInt32?
  /// Process stack pointer at the entry of the fault path.
  public var psp: UInt32?
  public var control: UInt32?
  public var primask: UInt32?
  public var basepri: UInt32?
  public var faultmask: UInt32?
  /// Bit 0: the exception frame was read; 1: floating point live; 2: early warning; 3: nested; 4: a
  /// stack reached its guard.
  public var flags: UInt32?
  /// Number of the exception that was taken, such as 3 for HardFault.
  public var exception: UInt32?

  static let wordCount = 26

  init(words: [UInt32]) {
    func word(_ i: Int) -> UInt32? { i < words.count ? words[i] : nil }
    let flags = word(24)
    // Cut off before the flags, nothing says that the frame was read.
    let frameKnown = flags.map { $0 & 1 != 0 } ?? false
    func framed(_ i: Int) -> UInt32? { frameKnown ? word(i) : nil }
    r = (0...12).map { $0 < 4 || $0 == 12 ? framed($0) : word($0) }
    sp = word(13)
    lr = framed(14)
    pc = framed(15)
    xpsr = framed(16)
    excReturn = word(17)
    msp = word(18)
    psp = word(19)
    control = word(20)
    primask = word(21)
    basepri = word(22)
    faultmask = word(23)
    self.flags = flags
    exception = word(25)
  }
}

/// The fault status registers. The two addresses are `nil` where CFSR says that they hold nothing.
public struct FaultStatus: Equatable, Sendable {
  public var cfsr: UInt32?
  public var hfsr: UInt32?
  public var dfsr: UInt32?
  public var mmfar: UInt32?
  public var bfar: UInt32?
  public var afsr: UInt32?
  public var shcsr: UInt32?
  public var icsr: UInt32?

  static let wordCount = 8

  public init(
    cfsr: UInt32? = nil, hfsr: UInt32? = nil, dfsr: UInt32? = nil, mmfar: UInt32? = nil,
    bfar: UInt32? = nil, afsr: UInt32? = nil, shcsr: UInt32? = nil, icsr: UInt32? = nil
  ) {
    self.cfsr = cfsr
    self.hfsr = hfsr
    self.dfsr = dfsr
    self.mmfar = mmfar
    self.bfar = bfar
    self.afsr = afsr
    self.shcsr = shcsr
    self.icsr = icsr
  }

  init(words: [UInt32]) {
    func word(_ i: Int) -> UInt32? { i < words.count ? words[i] : nil }
    let cfsr = word(0) ?? 0
    self.init(
      cfsr: word(0), hfsr: word(1), dfsr: word(2), mmfar: cfsr & 1 << 7 != 0 ? word(3) : nil,
      bfar: cfsr & 1 << 15 != 0 ? word(4) : nil, afsr: word(5), shcsr: word(6), icsr: word(7))
  }
}

/// The floating-point registers, present only when they were the interrupted code's.
public struct FloatingPointRegisters: Equatable, Sendable {
  /// S0 to S31 as bit patterns: always 32 entries, `nil` where cut off.
  public var s: [UInt32?]
  public var fpscr: UInt32?

  static let wordCount = 33

  init(words: [UInt32]) {
    s = (0..<32).map { $0 < words.count ? words[$0] : nil }
    fpscr = words.count > 32 ? words[32] : nil
  }
}

/// The memory protection unit at the crash.
public struct MPUState: Equatable, Sendable {
  public struct Region: Equatable, Sendable {
    public var rbar: UInt32
    public var rasr: UInt32
  }

  public var type: UInt32?
  public var control: UInt32?
  public var regions: [Region]

  init(words: [UInt32]) {
    type = words.first
    control = words.dropFirst().first
    regions = stride(from: 2, to: words.count - 1, by: 2).map {
      Region(rbar: words[$0], rasr: words[$0 + 1])
    }
  }
}

/// Interrupts, one bit each, 32 in a word from interrupt 0 on.
public struct NVICState: Equatable, Sendable {
  /// Words that each list has on the board. A list with fewer was cut off.
  public var wordCount: Int
  public var enabled: [UInt32]
  public var pending: [UInt32]
  public var active: [UInt32]
}

/// The system timer at the crash.
public struct SysTickState: Equatable, Sendable {
  public var csr: UInt32?
  public var rvr: UInt32?
  public var cvr: UInt32?
  public var calib: UInt32?

  static let wordCount = 4

  init(words: [UInt32]) {
    func word(_ i: Int) -> UInt32? { i < words.count ? words[i] : nil }
    (csr, rvr, cvr, calib) = (word(0), word(1), word(2), word(3))
  }
}

/// Bytes of the board's memory as they were at the crash.
public struct MemoryBlock: Equatable, Sendable {
  public var address: UInt32
  /// 1 interrupted stack, 2 registered region, 3 code; others are kept as they are.
  public var role: UInt16
  /// Number that the application gave the region.
  public var id: UInt16
  public var bytes: [UInt8]
  /// The region was longer than what was kept.
  public var isTruncated: Bool
  /// Parts were replaced by zeros; the dump's redactions say which.
  public var isRedacted: Bool

  /// Addresses covered. Never reaches beyond 2^32.
  public var range: Range<UInt64> { UInt64(address)..<(UInt64(address) + UInt64(bytes.count)) }
}

/// A run of memory that the dump holds as zeros on purpose.
public struct Redaction: Equatable, Sendable {
  public var address: UInt32
  public var length: UInt32

  /// Addresses covered. Never reaches beyond 2^32.
  public var range: Range<UInt64> { UInt64(address)..<(UInt64(address) + UInt64(length)) }
}

/// One of the application's last events.
public struct Breadcrumb: Equatable, Sendable {
  /// Microseconds since the last power-on.
  public var uptime: UInt64
  public var id: UInt32
  public var value: UInt32
}

/// Where the image's code lies, in board addresses.
public struct ImageRange: Equatable, Sendable {
  public var codeStart: UInt32
  public var codeLength: UInt32

  /// Whether `address` lies in the image's code.
  public func contains(_ address: UInt32) -> Bool {
    address >= codeStart && address - codeStart < codeLength
  }
}

/// A block of a type that this reader does not know, kept as it is.
public struct UnknownBlock: Equatable, Sendable {
  public var type: UInt16
  public var content: [UInt8]
}
