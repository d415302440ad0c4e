// make install into a folder: everything in its place, the unit sound, and all of it gone afterwards.

import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

@Suite(.timeLimit(.minutes(2))) struct InstallTests {
  /// Runs the script that `make install` runs, with the programs of this build.
  private static func install(_ folder: TemporaryDirectory, _ arguments: String...) throws -> String
  {
    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let products = try Programs.url("martlet-bridge").deletingLastPathComponent().path
    let child = try ProcessChild(
      package.appendingPathComponent("scripts/install"), arguments,
      environment: ["DESTDIR": folder.path, "PREFIX": "/usr", "MARTLET_PRODUCTS": products])
    let ending = try child.waitForEnd(within: .seconds(60))
    guard ending == .exit(0) else {
      throw ProcessFailure(.unexpected, "scripts/install: \(ending)\n\(child.errors)")
    }
    return child.output
  }

  /// Files below a folder, by path, with their modes.
  private static func files(below folder: TemporaryDirectory) throws -> [String: Int] {
    var files: [String: Int] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      let attributes = try FileManager.default.attributesOfItem(
        atPath: folder.file(path).path)
      guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
      files[path] = attributes[.posixPermissions] as? Int
    }
    return files
  }

  private static let unit = "usr/lib/systemd/system/martlet-bridge.service"

  @Test func `everything is in its place, and gone after uninstalling`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        _ = try Self.install(folder)
        #expect(
          try Self.files(below: folder) == [
            "usr/bin/martlet-bridge": 0o755, "usr/bin/martlet": 0o755, Self.unit: 0o644,
            "usr/share/doc/martlet/bridge.md": 0o644, "etc/martlet/bridge.conf": 0o644,
            "etc/udev/rules.d/70-martlet.rules": 0o644,
          ])
        let bridge = try ProcessChild(folder.file("usr/bin/martlet-bridge"), ["udev-rules"])
        try bridge.waitForEnd()
        #expect(
          try String(contentsOf: folder.file("etc/udev/rules.d/70-martlet.rules"), encoding: .utf8)
            == bridge.output)
        _ = try Self.install(folder, "uninstall")
        #expect(try Self.files(below: folder) == [:])
      }
    }
  }

  @Test func `settings that somebody changed are kept`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        _ = try Self.install(folder)
        let settings = folder.file("etc/martlet/bridge.conf")
        try Data("MARTLET_BRIDGE_ARGS=--board tcp:lab:1\n".utf8).write(to: settings)
        #expect(try Self.install(folder).contains("kept as it is"))
        _ = try Self.install(folder, "uninstall")
        #expect(try Array(Self.files(below: folder).keys) == ["etc/martlet/bridge.conf"])
      }
    }
  }

  @Test func `the unit is what systemd takes`() async throws {
    try await onThread {
      let analyze = URL(fileURLWithPath: "/usr/bin/systemd-analyze")
      guard FileManager.default.isExecutableFile(atPath: analyze.path) else {
        // Not every system has systemd: said, so that nobody takes it for tested.
        print("the systemd unit is not verified: there is no \(analyze.path)")
        return
      }
      try TemporaryDirectory.with { folder in
        _ = try Self.install(folder)
        // Of the targets that it names, verify knows those of the running system; the program has to
        // be where the unit says.
        let text = try String(contentsOf: folder.file(Self.unit), encoding: .utf8)
          .replacing("ExecStart=/usr/bin/", with: "ExecStart=\(folder.path)/usr/bin/")
        let unit = folder.file("martlet-bridge.service")
        try Data(text.utf8).write(to: unit)
        let child = try ProcessChild(analyze, ["verify", "--man=no", unit.path])
        #expect(try child.waitForEnd() == .exit(0), "\(child.errors)")
        #expect(child.errors == "")
      }
    }
  }

  @Test func `the settings that are shipped are options that the bridge knows`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        _ = try Self.install(folder)
        let text = try String(
          contentsOf: folder.file("etc/martlet/bridge.conf"), encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { !$0.hasPrefix("#") })
        let options = line.split(separator: "=", maxSplits: 1)[1].split(separator: " ")
        let help = try ProcessChild(folder.file("usr/bin/martlet-bridge"), ["run", "--help"])
        try help.waitForEnd()
        // Those of the comments, too.
        let named = text.matches(of: /--[a-z-]+/).map { String($0.output) }
        #expect(!named.isEmpty && options.contains("--board"))
        for option in named where option != "--help" {
          #expect(help.output.contains(option), "\(option)")
        }
      }
    }
  }
}
