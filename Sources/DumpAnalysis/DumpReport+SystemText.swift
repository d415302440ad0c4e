// Protection unit, interrupts and system timer as lines of text.

extension DumpReport {
  /// The memory protection unit, a line for each region that is in force.
  var protectionLines: [String] {
    guard let protection else { return [] }
    var state = ["unknown whether on"]
    if let isEnabled = protection.isEnabled { state = [isEnabled ? "on" : "off"] }
    if protection.hasPrivilegedDefault == true {
      state.append("privileged code may use what no region covers")
    }
    if protection.coversFaultHandlers == true { state.append("on in fault handlers too") }
    let unused = protection.regions.count { !$0.isEnabled }
    if unused > 0 { state.append("\(unused) of \(protection.regions.count) regions not in use") }
    return ["  " + state.joined(separator: "; ")]
      + protection.regions.filter(\.isEnabled).map(Self.line)
  }

  private static func line(_ region: Protection.Region) -> String {
    let size = region.size.map(bytes) ?? "reserved size"
    var line =
      "  \(region.number)  \(region.base)  \(padded(size, 14))"
      + "privileged \(words(region.privileged)), unprivileged \(words(region.unprivileged)), "
      + (region.isExecuteNever ? "no code" : "code may run")
    if !region.disabledSubregions.isEmpty {
      line +=
        ", not in eighths \(region.disabledSubregions.map(String.init).joined(separator: " "))"
    }
    return line
  }

  private static func words(_ access: MPUState.Access?) -> String {
    switch access {
    case .some(.none): "none"
    case .some(.read): "read"
    case .some(.readWrite): "read and write"
    case nil: "reserved"
    }
  }

  /// `32 bytes`, `16 KiB`, `4 GiB`: sizes of regions are powers of two.
  private static func bytes(_ size: UInt64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB"]
    var (value, unit) = (size, 0)
    while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    return "\(value) \(units[unit])"
  }

  /// Interrupts by number.
  var interruptLines: [String] {
    guard let interrupts else { return [] }
    func line(_ title: String, _ numbers: [Int]?) -> String {
      let text = numbers.map { $0.isEmpty ? "none" : $0.map(String.init).joined(separator: " ") }
      return "  \(Self.padded(title, 9))\(text ?? "unknown")"
    }
    return [
      line("enabled", interrupts.enabled), line("pending", interrupts.pending),
      line("active", interrupts.active),
    ]
  }

  /// The system timer in one line.
  var timerLines: [String] {
    guard let timer = systemTimer else { return [] }
    func text(_ value: UInt32?) -> String { value.map(String.init) ?? "unknown" }
    var parts = [timer.isEnabled.map { $0 ? "on" : "off" } ?? "unknown whether on"]
    if let raises = timer.raisesException {
      parts.append(raises ? "raises its exception" : "raises no exception")
    }
    if let processor = timer.countsProcessorClock {
      parts.append(processor ? "counts the processor's clock" : "counts a reference clock")
    }
    parts.append("reload \(text(timer.reload))")
    parts.append("current \(text(timer.current))")
    return ["  " + parts.joined(separator: ", ")]
  }
}
