// Where the programs under test are, and the environment they run in.

import Foundation
import MartletTestKit

/// The real programs, as this build made them.
public enum Programs {
  /// `MARTLET_PRODUCTS`, or the folder of the test bundle: the build leaves both in one place.
  public static func url(_ name: String) throws -> URL {
    let folders = [
      ProcessInfo.processInfo.environment["MARTLET_PRODUCTS"].map { URL(fileURLWithPath: $0) },
      Bundle.main.executableURL?.deletingLastPathComponent(),
      URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent(),
      package.appendingPathComponent(".build/debug"),
    ].compactMap { $0 }
    for folder in folders {
      let file = folder.appendingPathComponent(name)
      if FileManager.default.isExecutableFile(atPath: file.path) { return file }
    }
    throw ProcessFailure(
      .missing, "\(name) is in none of \(folders.map(\.path).joined(separator: ", "))",
      remedy: "Run `swift build` first, or name the folder in MARTLET_PRODUCTS")
  }

  /// Whether they are a release build: `MARTLET_PRODUCTS=.build/release`.
  public static var areReleased: Bool {
    ProcessInfo.processInfo.environment["MARTLET_PRODUCTS"]
      .map { URL(fileURLWithPath: $0).lastPathComponent == "release" } ?? false
  }

  /// The folder of the package.
  public static var package: URL {
    URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  }

  /// The demo firmware's ELF file.
  public static func firmware() throws -> URL {
    let build = package.appendingPathComponent(".build-ast1030-evb")
    let places =
      ProcessInfo.processInfo.environment["MARTLET_FIRMWARE"].map { [URL(fileURLWithPath: $0)] }
      ?? [
        build.appendingPathComponent("DemoApp.elf"),
        build.appendingPathComponent("armv7em-none-none-eabi/release/DemoApp"),
      ]
    // The newest, because a build leaves one and `make firmware` the other.
    let found = places.compactMap { place in
      let attributes = try? FileManager.default.attributesOfItem(atPath: place.path)
      return (attributes?[.modificationDate] as? Date).map { (place, $0) }
    }
    guard let newest = found.max(by: { $0.1 < $1.1 }) else {
      throw ProcessFailure(
        .missing, "no firmware at \(places.map(\.path).joined(separator: " or "))",
        remedy: "Run `make firmware` first, or name the ELF file in MARTLET_FIRMWARE")
    }
    return newest.0
  }
}
