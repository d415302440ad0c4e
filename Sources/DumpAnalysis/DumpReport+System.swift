// What a report says of protection unit, interrupts and system timer.

extension DumpReport {
  /// The memory protection unit as the application had set it up.
  public struct Protection: Codable, Equatable, Sendable {
    public struct Region: Codable, Equatable, Sendable {
      public var number: Int
      public var isEnabled: Bool
      public var base: String
      /// Bytes; absent for a size that the architecture reserves.
      public var size: UInt64?
      /// Absent for an access that the architecture reserves.
      public var privileged: MPUState.Access?
      public var unprivileged: MPUState.Access?
      public var isExecuteNever: Bool
      /// Eighths of the region where it does not apply.
      public var disabledSubregions: [Int]
    }

    /// Absent when not known.
    public var isEnabled: Bool?
    /// Whether it stays on in HardFault and NMI handlers.
    public var coversFaultHandlers: Bool?
    /// Whether privileged code may use what no region covers.
    public var hasPrivilegedDefault: Bool?
    public var regions: [Region]
  }

  /// Numbers of interrupts, from 0 on; a list is absent when not all of it is known.
  public struct Interrupts: Codable, Equatable, Sendable {
    public var enabled: [Int]?
    public var pending: [Int]?
    public var active: [Int]?
  }

  /// The system timer; what is not known is absent.
  public struct SystemTimer: Codable, Equatable, Sendable {
    public var isEnabled: Bool?
    /// Whether it raises the SysTick exception at zero.
    public var raisesException: Bool?
    /// Whether it reached zero since it was last asked.
    public var hasReachedZero: Bool?
    /// Whether it counts the processor's clock, not a reference clock.
    public var countsProcessorClock: Bool?
    public var reload: UInt32?
    public var current: UInt32?
  }
}

extension DumpReport.Protection {
  init(_ mpu: MPUState) {
    isEnabled = mpu.isEnabled
    coversFaultHandlers = mpu.coversFaultHandlers
    hasPrivilegedDefault = mpu.hasPrivilegedDefault
    regions = mpu.regions.enumerated().map { number, registers in
      let region = registers.decoded
      return Region(
        number: number, isEnabled: region.isEnabled, base: region.base.hex, size: region.size,
        privileged: region.privileged, unprivileged: region.unprivileged,
        isExecuteNever: region.isExecuteNever, disabledSubregions: region.disabledSubregions)
    }
  }
}

extension DumpReport.Interrupts {
  init(_ nvic: NVICState) {
    enabled = nvic.lines(of: nvic.enabled)
    pending = nvic.lines(of: nvic.pending)
    active = nvic.lines(of: nvic.active)
  }
}

extension NVICState {
  /// The numbers of the bits that are set, `nil` when words are missing.
  func lines(of words: [UInt32]) -> [Int]? {
    guard words.count == wordCount else { return nil }
    return words.enumerated().flatMap { index, word in
      (0..<32).filter { word & 1 << $0 != 0 }.map { 32 * index + $0 }
    }
  }
}

extension DumpReport.SystemTimer {
  init(_ timer: SysTickState) {
    func bit(_ number: UInt32) -> Bool? { timer.csr.map { $0 & 1 << number != 0 } }
    isEnabled = bit(0)
    raisesException = bit(1)
    countsProcessorClock = bit(2)
    hasReachedZero = bit(16)
    reload = timer.rvr.map { $0 & 0xFF_FFFF }
    current = timer.cvr.map { $0 & 0xFF_FFFF }
  }
}
