// The closed lists of a dump's prologue: what happened, and why the boot before it had started.

/// What ended the application. The numbers are those of docs/formats/dump.md and stay.
public enum CrashKind: UInt8, Sendable {
  case hardFault = 1
  case memManage = 2
  case busFault = 3
  case usageFault = 4
  case swiftTrap = 5
  case crash = 6
  case assertion = 7
  case abort = 8
  case watchdogWarning = 9
  case watchdogReset = 10
  case stackOverflow = 11
  case nestedFault = 12
  case nmi = 13
  case unhandledException = 14
}

/// Why a boot started. The numbers are those of the HAL contract and stay.
public enum ResetCause: UInt8, Sendable {
  case unknown = 0
  case powerOn = 1
  case watchdog = 2
  case software = 3
  case fault = 4
  case external = 5

  /// Whether the reset took no time that matters: uptime goes on counting over it. A reset pin may be held
  /// for days, and of an unknown cause nobody can say.
  public var isWarm: Bool {
    switch self {
    case .watchdog, .software, .fault: true
    case .unknown, .powerOn, .external: false
    }
  }
}
