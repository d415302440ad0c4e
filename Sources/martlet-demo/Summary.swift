// The demo's outcome as a file, for programs.

import Foundation

/// What `summary.json` holds.
struct Summary: Codable {
  struct Step: Codable {
    var name: String
    var ok: Bool
    var seconds: Double
    /// The service's name for the dump that the step made.
    var dumpId: String?
    var signature: String?
    /// Why the step failed.
    var error: String?
  }

  /// Whether everything was seen.
  var passed: Bool
  var seconds: Double
  var steps: [Step]

  /// Writes the file in one go: a reader finds it whole or not at all.
  func write(to file: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      try (encoder.encode(self) + Data("\n".utf8)).write(to: file, options: .atomic)
    } catch {
      throw DemoFailure(
        .system, "cannot write \(file.path): \(error.localizedDescription)",
        remedy: "Free some space, or choose another place with --folder")
    }
  }
}
