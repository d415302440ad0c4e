// The real firmware on QEMU's model of the AST1030 board, with flash in a file.

import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A board in QEMU. Its flash is a file that outlives any number of starts.
///
/// The calls block their thread: use them inside ``onThread(_:)``. QEMU is killed when the object goes
/// away.
public final class QEMUBoard: Sendable {
  /// Bytes of the board's NOR flash.
  public static let flashSize = 4 << 20
  /// The ring's area in it.
  public static let ring = 0x10_0000..<0x18_0000
  /// The state log's four sectors, boot counts among them.
  public static let bootCounter = 0xF_0000..<0xF_4000

  /// The firmware's ELF file.
  public let firmware: URL
  /// The file that holds the flash.
  public let flash: URL
  private let folder: TemporaryDirectory
  private let qemu: URL
  private let child = Mutex<ProcessChild?>(nil)
  private let starts = Mutex(0)

  /// - Parameters:
  ///   - folder: where the flash file and the socket go; a flash file that is there already is used.
  /// - Throws: ``ProcessFailure`` when QEMU or the firmware is missing.
  public init(firmware: URL, in folder: TemporaryDirectory, name: String = "nor") throws {
    qemu = try Self.find("qemu-system-arm", package: "qemu-system-arm")
    guard FileManager.default.fileExists(atPath: firmware.path) else {
      throw ProcessFailure(
        .missing, "the firmware \(firmware.path) is not there", remedy: "Run `make firmware` first")
    }
    self.firmware = firmware
    self.folder = folder
    flash = folder.file("\(name).bin")
    if !FileManager.default.fileExists(atPath: flash.path) {
      try Data(repeating: 0xFF, count: Self.flashSize).write(to: flash)
    }
  }

  deinit { kill() }

  /// Finds a program in `PATH`.
  ///
  /// - Throws: ``ProcessFailure`` that names the package to install.
  public static func find(_ program: String, package: String) throws(ProcessFailure) -> URL {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    for folder in path.split(separator: ":") {
      let file = URL(fileURLWithPath: String(folder)).appendingPathComponent(program)
      if FileManager.default.isExecutableFile(atPath: file.path) { return file }
    }
    throw ProcessFailure(
      .missing, "\(program) is not installed", remedy: "Run: apt-get install \(package)")
  }

  /// Starts QEMU with its serial line connected before the first instruction runs.
  public func start() throws -> LiveLink {
    let count = starts.withLock { value in
      value += 1
      return value
    }
    let path = folder.file("l\(count).sock").path
    let listener = try LineSocket(listeningAt: path)
    defer { unlink(path) }
    try start(connectingTo: path)
    return LiveLink(try listener.accept(within: .seconds(20)))
  }

  /// Starts QEMU with its serial line connected to a socket that somebody listens at.
  public func start(connectingTo path: String) throws {
    try launch("socket,id=line,path=\(path)")
  }

  /// Starts QEMU with its serial line at a socket that others, such as the bridge, connect to.
  public func start(listeningAt path: String) throws {
    try launch("socket,id=line,path=\(path),server=on,wait=off")
  }

  private func launch(_ line: String) throws {
    kill()
    let started = try ProcessChild(
      qemu,
      [
        "-M", "ast1030-evb,fmc-model=w25q32", "-display", "none", "-monitor", "stdio",
        "-drive", "file=\(flash.path),format=raw,if=mtd", "-chardev", line,
        "-serial", "chardev:line", "-kernel", firmware.path,
      ], takesInput: true)
    child.withLock { $0 = started }
  }

  /// Cuts the power: stops the processor where it stands, then kills QEMU. The flash file holds all
  /// that the flash part had taken, which kill -9 alone does not give: QEMU writes it a little later.
  public func cutPower() throws {
    try child.withLock { child in
      child?.write("stop\ninfo status\n")
      // QEMU answers when every write under way has ended.
      try child?.wait(for: "the processor's stop") { output, _ in output.contains("paused") }
      child?.kill()
      child = nil
    }
  }

  /// Stops the processor where it stands. What it sent is on its line.
  public func pause() throws(ProcessFailure) { try tell("stop", until: "paused") }

  /// Presses the reset button: nothing that RAM keeps over a reset is lost. A paused board goes on.
  public func pressReset() throws(ProcessFailure) {
    try tell("system_reset\ncont", until: "running")
  }

  /// Gives QEMU's monitor commands, and waits for the state that they leave the board in.
  private func tell(_ commands: String, until state: String) throws(ProcessFailure) {
    let child = child.withLock { $0 }
    guard let child else { throw ProcessFailure(.ended, "the board is off") }
    let before = child.output.utf8.count
    child.write("\(commands)\ninfo status\n")
    // QEMU answers one command after the other.
    try child.wait(for: "\(state) board") { output, _ in
      output.text(from: before).contains("VM status: \(state)")
    }
  }

  /// Bytes of the board's memory. Pause it first.
  public func memory(at address: UInt32, count: Int) throws -> [UInt8] {
    let file = folder.file("memory-\(address).bin")
    try tell("pmemsave \(address) \(count) \"\(file.path)\"", until: "paused")
    return [UInt8](try Data(contentsOf: file))
  }

  /// kill -9, and waits until QEMU is gone. What the board wrote to flash last may be missing.
  public func kill() {
    child.withLock { child in
      child?.kill()
      child = nil
    }
  }

  /// Where the processor is, in QEMU's words; for messages about boards that say nothing.
  public func registers() -> String {
    child.withLock { child in
      guard let child else { return "QEMU is not running" }
      let before = child.output.utf8.count
      child.write("info registers\n")
      do throws(ProcessFailure) {
        try child.wait(for: "registers", within: .seconds(10)) { output, _ in
          output.text(from: before).contains("FPSCR")
        }
      } catch {
        return "\(error)"
      }
      return child.output.text(from: before)
    }
  }

  /// What QEMU says on standard error.
  public var complaints: String { child.withLock { $0?.errors ?? "" } }

  /// The flash's bytes. Cut the board's power first: QEMU writes when it likes.
  public func flashBytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: flash)) }
}

extension String {
  /// What comes behind so many bytes of UTF-8.
  fileprivate func text(from bytes: Int) -> String {
    String(decoding: utf8.dropFirst(bytes), as: UTF8.self)
  }
}
