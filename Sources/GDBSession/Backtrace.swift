// The call chain of a crash with function names and source lines, from gdb.

import DumpAnalysis
import DumpFormat
import Foundation

/// How the crashed code got where it was, innermost call first.
public struct Backtrace: Codable, Equatable, Sendable {
  /// One call, inlined ones included.
  public struct Frame: Codable, Equatable, Sendable {
    /// 0 is where the crash happened.
    public var index: Int
    public var address: UInt32
    /// Readable name; `nil` when no symbol covers the address.
    public var function: String?
    /// As the compiler recorded it.
    public var file: String?
    public var line: Int?

    public init(
      index: Int, address: UInt32, function: String? = nil, file: String? = nil, line: Int? = nil
    ) {
      self.index = index
      self.address = address
      self.function = function
      self.file = file
      self.line = line
    }
  }

  public var frames: [Frame]
  /// Which check of Swift's failed, such as `Index out of bounds`; `nil` for other crashes.
  public var swiftTrap: String?
  /// What a reader must know: that the program counter was no code, or why the chain ends early.
  public var notes: [String]

  public init(frames: [Frame], swiftTrap: String? = nil, notes: [String] = []) {
    self.frames = frames
    self.swiftTrap = swiftTrap
    self.notes = notes
  }

  /// The frames as lines of text, with a newline at the end.
  public var text: String {
    var lines = frames.map { frame in
      let width = String(frames.count).count
      let index = "#\(frame.index)"
      var line = index + String(repeating: " ", count: max(1, width + 2 - index.count))
      line += "\(frame.address.hex) in \(frame.function ?? "?? (no symbol)")"
      if let file = frame.file { line += " at \(file)" + (frame.line.map { ":\($0)" } ?? "") }
      return line
    }
    if let swiftTrap { lines.insert("Swift runtime failure: \(swiftTrap)", at: 0) }
    lines += notes.map { "note: \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Backtrace {
  /// Longest chain that is asked for.
  public static let mostFrames = 64

  /// Lets gdb trace a dump back.
  /// - Parameters:
  ///   - dump: the crash.
  ///   - elf: the ELF file of the image that crashed.
  ///   - gdb: name or path of a gdb that knows ARM.
  ///   - timeLimit: gdb is killed after this time.
  /// - Throws: ``DumpAnalysisError`` with `wrongELF` or `noBuildID`; ``GDBSessionError``.
  public static func run(
    dump: DecodedDump, elf: ELFImage, gdb: String = "gdb-multiarch",
    timeLimit: Duration = .seconds(20)
  ) async throws -> Backtrace {
    try elf.requireBuildID(dump.header.buildID)
    guard let core = dump.core, let pc = core.pc else {
      throw GDBSessionError(
        code: .nothingToTrace, message: "The dump does not know the program counter",
        remedy: "Read the registers and memory that it does hold with `martlet dump show`")
    }
    guard !elf.isCode(pc) else {
      let frames = try await gdbFrames(dump, elf, pc: nil, gdb, timeLimit)
      return finished(frames, notes: dump.isTruncated ? [truncationNote] : [])
    }
    // A jump into nothing leaves the caller in LR alone, and gdb, which reads code to find the
    // caller, finds none at PC. So gdb starts at the call and the bad PC is put in front.
    let bad = Frame(index: 0, address: pc, function: nil)
    var notes = ["the program counter \(pc.hex) is not in the image's code: frame 0 is no function"]
    guard let lr = core.lr, elf.isCode(lr &- 2) else {
      notes.append("the link register does not lead into the image's code either")
      return finished([bad], notes: notes)
    }
    let returnAddress = lr & ~1
    var callers = try await gdbFrames(dump, elf, pc: returnAddress &- 2, gdb, timeLimit)
    // Frames inlined into one another share their address.
    for i in callers.indices where callers[i].address == returnAddress &- 2 {
      callers[i].address = returnAddress
    }
    if dump.isTruncated { notes.append(truncationNote) }
    return finished([bad] + callers, notes: notes)
  }

  private static let truncationNote = "the dump is truncated: calls may be missing at the end"
  private static let trapPrefix = "Swift runtime failure: "

  private static func finished(_ frames: [Frame], notes: [String]) -> Backtrace {
    let trap = frames.lazy.compactMap(\.function).first { $0.hasPrefix(trapPrefix) }
    var notes = notes
    let numbered = ended(frames, notes: &notes).enumerated().map { index, frame in
      var frame = frame
      frame.index = index
      return frame
    }
    return Backtrace(
      frames: numbered, swiftTrap: trap.map { String($0.dropFirst(trapPrefix.count)) },
      notes: notes)
  }

  /// Cuts what gdb makes up behind the outermost call.
  ///
  /// A function that never returns saves no return address, so gdb finds itself as its own caller
  /// until memory ends. `main` is where a program begins, so it stands alone then; for others the
  /// run of equal frames at the end becomes one, with a note, because it may as well be a
  /// recursion.
  static func ended(_ frames: [Frame], notes: inout [String]) -> [Frame] {
    if let main = frames.firstIndex(where: { $0.function.map(isMain) ?? false }),
      let next = frames[(main + 1)...].first, next.address == frames[main].address,
      next.function == frames[main].function
    {
      return Array(frames[...main])
    }
    guard let last = frames.last else { return frames }
    let run = frames.reversed().prefix { $0.address == last.address && $0.line == last.line }.count
    guard run >= 4 else { return frames }
    notes.append(
      "the last frame repeats \(run) times: a recursion, or a function that never returns")
    return Array(frames.dropLast(run - 1))
  }

  /// C's `main`, or the static one of Swift's `@main` type.
  private static func isMain(_ function: String) -> Bool {
    function == "main" || (function.hasPrefix("static ") && function.hasSuffix(".main() -> ()"))
  }

  private static func gdbFrames(
    _ dump: DecodedDump, _ elf: ELFImage, pc: UInt32?, _ gdb: String, _ timeLimit: Duration
  ) async throws -> [Frame] {
    let server = try StubServer(GDBRemoteStub(dump: dump, elf: elf, pc: pc))
    defer { server.stop() }
    let output = try await GDBProcess(gdb: gdb, timeLimit: timeLimit).run(
      elf: try elfPath(elf, in: server.folder), socket: server.socketPath,
      commands: ["interpreter-exec mi \"-stack-list-frames 0 \(mostFrames - 1)\""])
    for line in output.split(whereSeparator: \.isNewline) {
      guard let stack = MIParser.results(of: line)?["stack"] else { continue }
      return stack.items.compactMap(frame)
    }
    throw GDBSessionError.failed("it printed no frames: \(output.suffix(400))")
  }

  /// Where gdb finds the ELF file: its own place, or a copy for one that was read from memory.
  private static func elfPath(_ elf: ELFImage, in folder: URL) throws(GDBSessionError) -> String {
    if let url = elf.url { return url.path }
    let copy = folder.appendingPathComponent("image.elf")
    do {
      try Data(elf.bytes).write(to: copy)
    } catch {
      throw .noTransport(error.localizedDescription)
    }
    return copy.path
  }

  static func frame(_ value: MIValue) -> Frame? {
    guard let level = value["level"]?.text.flatMap({ Int($0) }),
      let address = value["addr"]?.text, address.hasPrefix("0x"),
      let number = UInt32(address.dropFirst(2), radix: 16)
    else { return nil }
    let name = value["func"]?.text.map(SwiftName.readable)
    return Frame(
      index: level, address: number, function: name == "??" ? nil : name,
      file: value["fullname"]?.text ?? value["file"]?.text,
      line: value["line"]?.text.flatMap { Int($0) })
  }
}
