// The report as text for people.

import DumpFormat

extension DumpReport {
  /// Bytes of the stack that the report shows.
  static let stackBytes = 256

  /// The report as lines of text, with a newline at the end.
  public var text: String {
    var lines = [headline, signature, ""]
    lines += identityLines
    if isImprecise {
      lines += [
        "",
        "The program counter is not the culprit: a store that ran before it failed late. Look at the",
        "stores in front of it, in this function and in the one that called or returned to it.",
      ]
    }
    section("Registers", columns(registers), &lines)
    section("Fault status", columns(faultRegisters) + faults.map(line), &lines)
    section("Context", context.map(line), &lines)
    section("Reason", reason.map { ["  " + Self.printable($0)] } ?? [], &lines)
    section("Memory protection", protectionLines, &lines)
    section("Interrupts", interruptLines, &lines)
    section("System timer", timerLines, &lines)
    section("Memory in the dump", regions.map(line), &lines)
    section(
      "Redacted, shown as unknown",
      redactions.map { "  \($0.address)  \($0.length) bytes" }, &lines)
    section("Last events, oldest first", eventLines, &lines)
    let stackTitle = stackHead.contains { $0.contains(Self.hidden) } ? ", -- is redacted" : ""
    section("Stack" + stackTitle, stackHead.map { "  " + $0 }, &lines)
    section(
      "Blocks of unknown types",
      unknownBlocks.map { "  type \($0.type)  \($0.length) bytes" }, &lines)
    return lines.joined(separator: "\n") + "\n"
  }

  private var identityLines: [String] {
    let version = identity.imageVersion.isEmpty ? "unknown" : identity.imageVersion
    var rows = [
      ("kind", identity.kind),
      (
        "image",
        "version \(Self.printable(version)), build-id \(identity.buildId ?? "unknown")"
      ),
      (
        "dump",
        "boot \(identity.bootCount), sequence \(identity.sequence),"
          + " fingerprint \(identity.fingerprint)"
      ),
      (
        "uptime",
        "\(Self.seconds(identity.uptimeSeconds)) s since power-on;"
          + " that boot had started by \(identity.resetCause)"
      ),
    ]
    if identity.occurrences != 1 { rows.append(("stands for", "\(identity.occurrences) crashes")) }
    var notes: [String] = []
    if identity.isNested {
      notes.append("taken inside the fault path, whose registers these are")
    }
    if identity.isRegisterOnly { notes.append("registers only: no memory was kept") }
    if identity.isTruncated { notes.append("truncated: parts of the capture are missing") }
    if !notes.isEmpty { rows.append(("note", notes.joined(separator: "; "))) }
    return rows.map { Self.padded($0.0, 12) + $0.1 }
  }

  private func section(_ title: String, _ body: [String], _ lines: inout [String]) {
    guard !body.isEmpty else { return }
    lines += ["", title] + body
  }

  /// Registers in four columns.
  private func columns(_ registers: [Register]) -> [String] {
    stride(from: 0, to: registers.count, by: 4).map { start in
      let row = registers[start..<min(start + 4, registers.count)]
      let cells = row.map { Self.padded($0.name, 11) + Self.padded($0.value ?? "unknown", 12) }
      var line = "  " + cells.joined()
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  private func line(_ finding: FaultStatusWords.Finding) -> String {
    "  \(finding.register).\(finding.bit): \(finding.words)"
  }

  private func line(_ region: Region) -> String {
    var text = "  \(region.address)  \(Self.padded("\(region.length) bytes", 14))\(region.role)"
    if region.role == "registeredRegion" { text += " \(region.id)" }
    if region.isTruncated { text += ", ends early" }
    if region.redactedBytes > 0 {
      text += ", \(region.redactedBytes) bytes redacted"
    } else if region.isRedacted {
      text += ", parts redacted"
    }
    return text
  }

  /// A table: seconds since power-on, id, value.
  private var eventLines: [String] {
    guard !breadcrumbs.isEmpty else { return [] }
    let times = breadcrumbs.map { Self.seconds($0.uptimeSeconds) }
    let width = max(times.map(\.count).max() ?? 0, 7)
    func row(_ time: String, _ id: String, _ value: String) -> String {
      "  " + String(repeating: " ", count: width - time.count) + time + "  "
        + Self.padded(id, 12) + value
    }
    return [row("seconds", "id", "value")]
      + zip(times, breadcrumbs).map { row($0, $1.id.hex, "\($1.value.hex) (\($1.value))") }
  }

  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  /// Microseconds matter between events, so six digits.
  private static func seconds(_ value: Double) -> String {
    let micros = UInt64(exactly: (value * 1e6).rounded()) ?? .max
    let fraction = String(micros % 1_000_000)
    return "\(micros / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
  }

  /// Text from a device without what could steer a terminal.
  static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
  }

  /// The interrupted stack from its stack pointer on, 16 bytes a line.
  static func stackHead(_ dump: DecodedDump) -> [String] {
    let stack = dump.memory.first { $0.role == MemoryRole.interruptedStack.rawValue }
    guard let start = dump.core?.sp ?? stack?.address else { return [] }
    let bytes = DumpMemory(dump: dump)
      .read(start, count: stackBytes, marking: RedactedRuns(dump.redactions))
    return stride(from: 0, to: bytes.count, by: 16).map { offset in
      let row = bytes[offset..<min(offset + 16, bytes.count)]
      let hex = row.map { $0?.bareHex ?? hidden }.joined(separator: " ")
      let text = row.map { (byte: UInt8?) -> String in
        guard let byte else { return "-" }
        return (32..<127).contains(byte) ? String(UnicodeScalar(byte)) : "."
      }.joined()
      return "\((start &+ UInt32(offset)).hex)  \(padded(hex, 49))\(text)"
    }
  }

  /// Stands for a byte that was redacted.
  static let hidden = "--"
}
