// The bench of `make hil BOARD=<serial>`: boards on this machine's own USB.

import Foundation
import MartletBenchKit
import MartletTestKit
import Synchronization

/// Boards on a desk, with the bridge as a process beside the tests.
///
/// Unplugging is taking the kernel's permission away (`authorized` in sysfs, Linux
/// Documentation/ABI/testing/sysfs-bus-usb): transfers in flight fail, and the board keeps its power.
/// Boards are commanded by typing on their console through the bridge, which types on its first board.
final class DeskBench: Bench {
  let desk: Desk
  let serials: [String]
  let events: EventLog
  private let program: URL
  private let pipe: String
  /// The file that takes a board off its bus, by the board's serial number: a board that is off does
  /// not tell its number.
  private let switches: [String: URL]
  private let bridge = Mutex<ProcessChild?>(nil)
  private let first = Mutex("")

  /// How long a board waits for a host that fell silent, before it starts its application
  /// (docs/formats/link.md), and a second more.
  private static let silence: UInt32 = 6

  /// - Throws: ``ProcessFailure`` when a board is not there, or may not be unplugged.
  init(serials: [String], in folder: TemporaryDirectory, logs: URL) throws {
    self.serials = serials
    switches = try Dictionary(
      uniqueKeysWithValues: Set(serials).map { ($0, try Self.switchFile(of: $0)) })
    desk = try Desk(in: folder)
    program = try Programs.url("martlet-bridge")
    pipe = folder.file("events").path
    guard mkfifo(pipe, 0o600) == 0 else {
      throw ProcessFailure(.cannotStart, "cannot make a pipe at \(pipe)")
    }
    // Open for both, so that it does not end with a bridge.
    let descriptor = open(pipe, O_RDWR | O_CLOEXEC)
    let log = logs.appendingPathComponent("events.jsonl")
    _ = FileManager.default.createFile(atPath: log.path, contents: nil)
    let copy = try FileHandle(forWritingTo: log)
    events = EventLog(hint: "The bridge's events are in \(log.path)") {
      let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 14) { buffer, count in
        count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
      }
      try? copy.write(contentsOf: Data(bytes))
      return bytes
    }
    try desk.startService()
  }

  func close() {
    bridge.withLock { $0 }?.kill()
    for serial in serials { try? plug(serial) }
    desk.close()
  }

  // MARK: - The bridge

  func provision(_ serial: String) throws -> String { try desk.provision(address(of: serial)) }

  func startBridge(for serials: [String]) throws {
    first.withLock { $0 = serials.first ?? "" }
    // The new line ends what a bridge that was killed may have left half written.
    try FileHandle(forWritingTo: URL(fileURLWithPath: pipe)).write(contentsOf: Data("\n".utf8))
    let started = try ProcessChild(
      program,
      ["run"] + serials.flatMap { ["--board", address(of: $0)] } + [
        "--service", desk.address, "--spool", desk.spool, "--lease-interval", "1", "--events",
        pipe, "--console", "--status-socket", "none",
      ] + desk.bridgeLogin, takesInput: true)
    bridge.withLock { $0 = started }
  }

  func killBridge() throws { bridge.withLock { $0.take() }?.kill() }

  func openHandles() throws -> [String] {
    let folder = "/proc/\(bridge.withLock { $0?.identifier } ?? 0)/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
    }
  }

  // MARK: - Plugs

  func unplug(_ serial: String) throws { try authorize(serial, "0") }

  func plug(_ serial: String) throws { try authorize(serial, "1") }

  private func authorize(_ serial: String, _ digit: String) throws {
    guard let file = switches[serial] else {
      throw ProcessFailure(.missing, "there is no board \(serial)")
    }
    do {
      try FileHandle(forWritingTo: file).write(contentsOf: Data(digit.utf8))
    } catch {
      throw ProcessFailure(
        .unexpected, "\(file.path) does not take \(digit): \(error.localizedDescription)")
    }
  }

  /// The file that takes a board off its bus.
  private static func switchFile(of serial: String) throws(ProcessFailure) -> URL {
    let devices = URL(fileURLWithPath: "/sys/bus/usb/devices")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: devices.path)) ?? []
    let found = names.map { devices.appendingPathComponent($0) }.filter {
      let file = $0.appendingPathComponent("serial")
      let text = try? String(contentsOf: file, encoding: .utf8)
      return text?.trimmingCharacters(in: .whitespacesAndNewlines) == serial
    }
    guard let device = found.first, found.count == 1 else {
      throw ProcessFailure(
        .missing,
        "\(found.isEmpty ? "no" : "more than one") USB device here has the serial number \(serial)",
        remedy: "`martlet-bridge devices` lists what is attached, with serial numbers")
    }
    let file = device.appendingPathComponent("authorized")
    guard access(file.path, W_OK) == 0 else {
      throw ProcessFailure(
        .cannotStart, "this user may not unplug the board: \(file.path) cannot be written",
        remedy: "Allow it until the next plug: sudo chmod a+w \(file.path)")
    }
    return file
  }

  // MARK: - Boards

  func type(_ line: String, on serial: String) throws {
    guard first.withLock({ $0 == serial }), let bridge = bridge.withLock({ $0 }) else {
      throw ProcessFailure(
        .unexpected, "nobody can type on \(serial): the bridge types on its first board alone")
    }
    // The return in front ends what a frame that was cut in two may have left there as text.
    bridge.write("\r\(line)\r\n")
  }

  func crash(_ serial: String, _ command: String, during trouble: () throws -> Void) throws {
    let mark = events.count
    try type(command, on: serial)
    // At 115200 baud a dump takes half a second.
    try wait(for: .dumpOffered, of: serial, since: mark)
    try trouble()
  }

  /// A board takes the order to reset from its application, so the application has to run first.
  func crashAndReset(_ serial: String, _ command: String) throws {
    try crash(serial, command) { try killBridge() }
    try waitForApplication(on: serial)
    let mark = events.count
    try startBridge(for: [serial])
    try wait(for: .dumpOffered, of: serial, since: mark)
    try type("reset", on: serial)
  }

  func waitForApplication(on serial: String) throws {
    // A board tells nobody what it does when nobody listens.
    sleep(Self.silence)
  }
}
