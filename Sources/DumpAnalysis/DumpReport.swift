// A dump as a report: text for people, JSON for programs.

import DumpFormat
import Foundation

/// Everything a dump says, ready to print or to encode. Numbers that are addresses or register
/// values are text such as `0x00001234`; what is not known is absent.
public struct DumpReport: Codable, Equatable, Sendable {
  /// Which image crashed, on which boot.
  public struct Identity: Codable, Equatable, Sendable {
    /// The name in docs/formats/dump.md, such as `usageFault`.
    public var kind: String
    public var bootCount: UInt32
    public var sequence: UInt32
    /// 16 hexadecimal digits.
    public var fingerprint: String
    /// 40 hexadecimal digits; absent when the image had none.
    public var buildId: String?
    public var imageVersion: String
    public var component: UInt8
    public var uptimeSeconds: Double
    public var resetCause: String
    public var consentEpoch: UInt32
    public var occurrences: UInt32
    public var isRegisterOnly: Bool
    public var isNested: Bool
    public var isTruncated: Bool
  }

  /// A register and its value, absent when not known.
  public struct Register: Codable, Equatable, Sendable {
    public var name: String
    public var value: String?
  }

  /// A run of memory that the dump holds.
  public struct Region: Codable, Equatable, Sendable {
    public var address: String
    public var length: Int
    /// `interruptedStack`, `registeredRegion`, `code` or `role <number>`.
    public var role: String
    public var id: UInt16
    public var isTruncated: Bool
    public var isRedacted: Bool
    /// Bytes of it that were replaced by zeros, as far as the dump says which.
    public var redactedBytes: Int
  }

  /// A run of memory that was replaced by zeros.
  public struct RedactedRun: Codable, Equatable, Sendable {
    public var address: String
    public var length: UInt32
  }

  /// One of the application's last events.
  public struct Event: Codable, Equatable, Sendable {
    public var uptimeSeconds: Double
    public var id: UInt32
    public var value: UInt32
  }

  /// A block that this reader does not know.
  public struct Unknown: Codable, Equatable, Sendable {
    public var type: UInt16
    public var length: Int
  }

  /// What happened and where, in one line.
  public var headline: String
  public var signature: String
  /// The program counter is behind the instruction that caused the fault, by an unknown distance: a
  /// store failed after the processor had gone on.
  public var isImprecise: Bool
  public var identity: Identity
  public var registers: [Register]
  public var faultRegisters: [Register]
  public var faults: [FaultStatusWords.Finding]
  public var context: [FaultStatusWords.Finding]
  public var reason: String?
  public var regions: [Region]
  public var redactions: [RedactedRun]
  /// Oldest first.
  public var breadcrumbs: [Event]
  /// Absent when the dump does not tell.
  public var protection: Protection?
  public var interrupts: Interrupts?
  public var systemTimer: SystemTimer?
  /// The first lines of the interrupted stack in hexadecimal, lowest address first; `--` stands for a
  /// byte that was redacted.
  public var stackHead: [String]
  /// Registers of the floating point, the memory protection unit, interrupts and the system timer.
  public var moreRegisters: [Register]
  public var unknownBlocks: [Unknown]

  /// - Parameters:
  ///   - dump: a decoded dump.
  ///   - elf: the image's ELF file; with it the headline names the function.
  public init(dump: DecodedDump, elf: ELFImage? = nil) {
    let words = FaultStatusWords(dump)
    isImprecise = words.isImprecise
    headline =
      Self.place(words.headline, isImprecise: words.isImprecise, dump, elf)
      + (dump.reason.map { ": " + Self.printable($0) } ?? "")
    signature = dump.signature
    identity = Identity(dump)
    registers = Self.coreRegisters(dump)
    faultRegisters = Self.faultRegisters(dump)
    faults = words.faults
    context = words.context
    reason = dump.reason
    let redacted = RedactedRuns(dump.redactions)
    regions = dump.memory.map { Region($0, redacted) }
    redactions = dump.redactions.map {
      RedactedRun(address: $0.address.hex, length: $0.length)
    }
    breadcrumbs = dump.breadcrumbs.map {
      Event(uptimeSeconds: Double($0.uptime) / 1e6, id: $0.id, value: $0.value)
    }
    protection = dump.mpu.map(Protection.init)
    interrupts = dump.nvic.map(Interrupts.init)
    systemTimer = dump.sysTick.map(SystemTimer.init)
    stackHead = Self.stackHead(dump)
    moreRegisters = Self.moreRegisters(dump)
    unknownBlocks = dump.unknownBlocks.map { Unknown(type: $0.type, length: $0.content.count) }
  }

  /// - Parameter isImprecise: the place is where the fault was noticed, not where it was caused.
  private static func place(
    _ what: String, isImprecise: Bool, _ dump: DecodedDump, _ elf: ELFImage?
  ) -> String {
    let start = what.prefix(1).uppercased() + what.dropFirst() + (isImprecise ? ", noticed" : "")
    guard let pc = dump.core?.pc else { return start }
    if [.crash, .assertion, .abort].contains(dump.header.kind), let elf, let lr = dump.core?.lr,
      elf.isCode(lr &- 2), let caller = elf.function(at: lr &- 2)
    {
      // The trap is in a function of the board's; who called it is what people look for.
      return "\(start) in \(SwiftName.readable(caller.name)) at \((lr & ~1).hex)"
    }
    if let elf, elf.isCode(pc), let function = elf.function(at: pc) {
      return "\(start) in \(SwiftName.readable(function.name)) at \(pc.hex)"
    }
    if let elf, !elf.isCode(pc), let lr = dump.core?.lr, elf.isCode(lr),
      let caller = elf.function(at: lr)
    {
      return "\(start) at \(pc.hex), called from \(SwiftName.readable(caller.name))"
    }
    return "\(start) at \(pc.hex)"
  }
}

extension DumpReport.Identity {
  init(_ dump: DecodedDump) {
    let header = dump.header
    kind = "\(header.kind)"
    bootCount = header.key.bootCount
    sequence = header.key.sequence
    fingerprint = header.fingerprint.hexDigits
    buildId = header.buildID.isMissing ? nil : header.buildID.hexDigits
    imageVersion = dump.version
    component = header.component
    uptimeSeconds = Double(header.uptime) / 1e6
    resetCause = "\(header.resetCause)"
    consentEpoch = header.consentEpoch
    occurrences = header.occurrences
    isRegisterOnly = header.isRegisterOnly
    isNested = header.isNested
    isTruncated = dump.isTruncated
  }
}

extension DumpReport.Region {
  init(_ block: MemoryBlock, _ redacted: RedactedRuns) {
    address = block.address.hex
    length = block.bytes.count
    role = MemoryRole(rawValue: block.role).map { "\($0)" } ?? "role \(block.role)"
    id = block.id
    isTruncated = block.isTruncated
    isRedacted = block.isRedacted
    redactedBytes = redacted.count(in: block.range)
  }
}

// MARK: - Registers

extension DumpReport {
  private static func coreRegisters(_ dump: DecodedDump) -> [Register] {
    guard let core = dump.core else { return [] }
    let general = core.r.enumerated().map { Register("r\($0.offset)", $0.element) }
    return general + [
      Register("sp", core.sp), Register("lr", core.lr), Register("pc", core.pc),
      Register("xpsr", core.xpsr), Register("exc_return", core.excReturn),
      Register("msp", core.msp), Register("psp", core.psp), Register("control", core.control),
      Register("primask", core.primask), Register("basepri", core.basepri),
      Register("faultmask", core.faultmask), Register("exception", core.exception),
    ]
  }

  private static func faultRegisters(_ dump: DecodedDump) -> [Register] {
    guard let status = dump.faultStatus else { return [] }
    return [
      Register("cfsr", status.cfsr), Register("hfsr", status.hfsr), Register("dfsr", status.dfsr),
      Register("mmfar", status.mmfar), Register("bfar", status.bfar),
      Register("afsr", status.afsr), Register("shcsr", status.shcsr), Register("icsr", status.icsr),
    ]
  }

  private static func moreRegisters(_ dump: DecodedDump) -> [Register] {
    var result: [Register] = []
    if let floats = dump.floatingPoint {
      result += floats.s.enumerated().map { Register("s\($0.offset)", $0.element) }
      result.append(Register("fpscr", floats.fpscr))
    }
    if let mpu = dump.mpu {
      result += [Register("mpu_type", mpu.type), Register("mpu_ctrl", mpu.control)]
      for (i, region) in mpu.regions.enumerated() {
        result += [
          Register("mpu_rbar\(i)", region.rbar), Register("mpu_rasr\(i)", region.rasr),
        ]
      }
    }
    if let nvic = dump.nvic {
      for (name, words) in [
        ("enabled", nvic.enabled), ("pending", nvic.pending), ("active", nvic.active),
      ] {
        result += words.enumerated().map { Register("nvic_\(name)\($0.offset)", $0.element) }
      }
    }
    if let timer = dump.sysTick {
      result += [
        Register("syst_csr", timer.csr), Register("syst_rvr", timer.rvr),
        Register("syst_cvr", timer.cvr), Register("syst_calib", timer.calib),
      ]
    }
    return result
  }
}

extension DumpReport.Register {
  init(_ name: String, _ value: UInt32?) {
    self.init(name: name, value: value?.hex)
  }
}
