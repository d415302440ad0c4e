// The firmware under test: the ELF file that `make firmware` left.

import DumpAnalysis
import Foundation
import LinkProtocol
import MartletTestKit

/// Finds and reads the demo's ELF file. Every test asks here, so that a missing one fails them all.
enum Firmware {
  /// Where the build leaves a product below the package's folder; for the demo, `MARTLET_FIRMWARE`
  /// before that.
  static func url(_ product: String = "DemoApp") throws -> URL {
    if product == "DemoApp",
      let named = ProcessInfo.processInfo.environment["MARTLET_FIRMWARE"]
    {
      return try existing([URL(fileURLWithPath: named)])
    }
    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let build = package.appendingPathComponent(".build-ast1030-evb")
    return try existing([
      build.appendingPathComponent("\(product).elf"),
      build.appendingPathComponent("armv7em-none-none-eabi/release/\(product)"),
    ])
  }

  private static func existing(_ places: [URL]) throws -> URL {
    // The newest, because a build leaves one and `make firmware` the other.
    let found = places.compactMap { place in
      let attributes = try? FileManager.default.attributesOfItem(atPath: place.path)
      return (attributes?[.modificationDate] as? Date).map { (place, $0) }
    }
    if let newest = found.max(by: { $0.1 < $1.1 }) { return newest.0 }
    throw ProcessFailure(
      .missing, "no firmware at \(places.map(\.path).joined(separator: " or "))",
      remedy: "Run `make firmware vectors` first, or name the ELF file in MARTLET_FIRMWARE")
  }

  static func image() throws -> ELFImage { try ELFImage(contentsOf: url()) }

  /// A board of its own with blank flash, for the length of `body`, on a thread that may block.
  static func withBoard<Result: Sendable>(
    running product: String = "DemoApp", _ body: @escaping @Sendable (QEMUBoard) throws -> Result
  ) async throws -> Result {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let board = try QEMUBoard(firmware: try url(product), in: folder)
        defer { board.kill() }
        return try body(board)
      }
    }
  }
}

extension QEMUBoard {
  /// Starts with nothing waiting, hands over consent, and comes back with the application running.
  func startWithConsent() throws -> (link: LiveLink, hello: Hello) {
    let link = try start()
    let hello = try link.hello()
    _ = try link.give(hello)
    return (link, hello)
  }
}
