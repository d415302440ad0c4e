// A server of gdb's remote protocol over a dump: bytes in, bytes out, no transport.

import DumpAnalysis
import DumpFormat

/// Answers gdb's remote protocol from a decoded dump, as if the board stood still at the crash.
///
/// It does no input or output of its own: whoever carries the bytes feeds ``receive(_:)`` and sends
/// what it returns. Nothing can be changed through it and nothing can run. What the dump does not
/// hold is answered as unknown, except for code and constants, which come from the ELF file. Any
/// bytes are safe to feed.
public struct GDBRemoteStub: Sendable {
  /// Longest packet in either direction, bytes of content.
  public static let longestPacket = 4096

  /// gdb has detached or killed the target: nothing more will be answered.
  public private(set) var isFinished = false

  private let memory: DumpMemory
  private let registers: RemoteRegisters
  private let stopReply: String
  private var reader = RemotePacketReader(longest: longestPacket)
  private var acknowledges = true
  private var lastAnswer: [UInt8] = []

  /// - Parameters:
  ///   - dump: whose registers and memory are served.
  ///   - elf: the image's ELF file, for code and constants.
  ///   - pc: served instead of the dump's program counter: a backtrace that starts at the caller.
  public init(dump: DecodedDump, elf: ELFImage? = nil, pc: UInt32? = nil) {
    memory = DumpMemory(dump: dump, elf: elf)
    registers = RemoteRegisters(core: dump.core, floatingPoint: dump.floatingPoint, pc: pc)
    stopReply = "T\(Self.signal(dump).bareHex)thread:1;"
  }

  /// Takes bytes from gdb in any portions and returns the bytes to send back.
  public mutating func receive(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var answers: [UInt8] = []
    for byte in bytes where !isFinished {
      switch reader.feed(byte) {
      case nil: break
      case .packet(let content):
        if acknowledges { answers.append(UInt8(ascii: "+")) }
        guard let answer = answer(String(decoding: content, as: UTF8.self)) else { break }
        lastAnswer = RemotePacketReader.framed(answer.utf8)
        answers += lastAnswer
      case .damaged: if acknowledges { answers.append(UInt8(ascii: "-")) }
      case .resend: if acknowledges { answers += lastAnswer }
      case .interrupt: answers += RemotePacketReader.framed(stopReply.utf8)
      }
    }
    return answers
  }

  // MARK: - Commands

  /// Refused: the dump is read-only and stands still.
  private static let refused = "E01"
  /// The address is not known.
  private static let unknownAddress = "E14"
  /// The command makes no sense.
  private static let invalid = "E22"

  /// The answer to a command; `nil` where the protocol wants none.
  private mutating func answer(_ command: String) -> String? {
    guard let first = command.first else { return "" }
    let rest = command.dropFirst()
    switch first {
    case "?": return stopReply
    case "g": return registers.all.map(\.hex).joined()
    case "p": return register(rest)
    case "m": return read(rest)
    case "H", "T": return "OK"
    case "q": return query(command)
    case "Q": return set(command)
    case "D":
      isFinished = true
      return "OK"
    case "k":
      isFinished = true
      return nil
    // Writes to memory and registers, breakpoints, running, restarting.
    case "G", "P", "M", "X", "Z", "z", "c", "C", "s", "S", "i", "R", "r": return Self.refused
    case "v": return command.hasPrefix("vCont;") || command.hasPrefix("vRun") ? Self.refused : ""
    default: return ""
    }
  }

  private func query(_ command: String) -> String {
    let name = command.prefix { $0 != ":" }
    switch name {
    case "qSupported":
      return "PacketSize=\(String(Self.longestPacket, radix: 16));QStartNoAckMode+"
        + ";qXfer:features:read+"
    case "qAttached": return "1"
    case "qC": return "QC1"
    case "qfThreadInfo": return "m1"
    case "qsThreadInfo": return "l"
    case "qSymbol": return "OK"
    case "qXfer": return description(command)
    default: return ""
    }
  }

  private mutating func set(_ command: String) -> String {
    guard command == "QStartNoAckMode" else { return "" }
    acknowledges = false
    return "OK"
  }

  /// `p` and a register number.
  private func register(_ argument: Substring) -> String {
    guard let number = Int(argument, radix: 16), registers.all.indices.contains(number) else {
      return Self.invalid
    }
    return registers.all[number].hex
  }

  /// `m`, an address, a comma and a length. Fewer bytes than asked for are an answer too.
  private func read(_ argument: Substring) -> String {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = UInt32(parts[0], radix: 16),
      let length = UInt32(parts[1], radix: 16)
    else { return Self.invalid }
    if length == 0 { return "" }
    let bytes = memory.read(address, count: min(Int(length), Self.longestPacket / 2))
    return bytes.isEmpty ? Self.unknownAddress : bytes.hexDigits
  }

  /// `qXfer:features:read:target.xml:offset,length`.
  private func description(_ command: String) -> String {
    let parts = command.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[1] == "features", parts[2] == "read" else { return "" }
    let window = parts[4].split(separator: ",", omittingEmptySubsequences: false)
    guard parts[3] == "target.xml", window.count == 2, let offset = UInt32(window[0], radix: 16),
      let length = UInt32(window[1], radix: 16)
    else { return "E00" }
    let text = registers.description.utf8
    // Half of a packet leaves room for escapes.
    let count = min(Int(length), Self.longestPacket / 2)
    let rest = text.dropFirst(Int(offset))
    return (rest.count > count ? "m" : "l") + String(decoding: rest.prefix(count), as: UTF8.self)
  }

  /// gdb's number of the signal that an ordinary process would have met.
  private static func signal(_ dump: DecodedDump) -> UInt8 {
    let cfsr = dump.faultStatus?.cfsr ?? 0
    switch dump.header.kind {
    case .usageFault where cfsr & 1 << 25 != 0: return 8
    case .usageFault where cfsr & 1 << 24 != 0, .busFault: return 10
    case .usageFault, .hardFault: return 4
    case .memManage, .stackOverflow, .nestedFault: return 11
    case .swiftTrap: return 5
    case .crash, .assertion, .abort: return 6
    case .watchdogWarning, .watchdogReset, .nmi, .unhandledException: return 2
    }
  }
}
