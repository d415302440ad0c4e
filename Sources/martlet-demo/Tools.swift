// The programs and files that the demo needs.

import Foundation

/// Where everything is; all of it was there when this was made.
struct Tools: Sendable {
  let martlet: String
  let bridge: String
  let service: String
  let qemu: String
  let firmware: String
  /// As given, because commands that are shown name it.
  let symbolPath: String

  /// - Parameter programs: where the programs are; `nil` for this program's own folder.
  /// - Throws: ``DemoFailure`` with `missing`, naming what to run.
  init(programs: String?, firmware: String, symbolPath: String) throws {
    let own = Bundle.main.executableURL?.deletingLastPathComponent().path ?? ".build/debug"
    let folder = URL(fileURLWithPath: programs ?? own)
    func program(_ name: String) throws -> String {
      let path = folder.appending(path: name).path
      guard FileManager.default.isExecutableFile(atPath: path) else {
        throw DemoFailure(
          .missing, "there is no \(path)", remedy: "Build it with: make build")
      }
      return path
    }
    martlet = try program("martlet")
    bridge = try program("martlet-bridge")
    service = try program("martlet-service")
    qemu = try Self.installed("qemu-system-arm")
    // Not used here, but by martlet dump show.
    _ = try Self.installed("gdb-multiarch")
    for path in [firmware, symbolPath] where !FileManager.default.fileExists(atPath: path) {
      throw DemoFailure(.missing, "there is no \(path)", remedy: "Build it with: make firmware")
    }
    self.firmware = firmware
    self.symbolPath = symbolPath
  }

  /// A program of the system, found as a shell finds it.
  private static func installed(_ name: String) throws -> String {
    let folders = ProcessInfo.processInfo.environment["PATH"] ?? ""
    for folder in folders.split(separator: ":") {
      let path = "\(folder)/\(name)"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw DemoFailure(
      .missing, "\(name) is not installed",
      remedy: "Install it with: make setup (the package is called \(name), too)")
  }
}
