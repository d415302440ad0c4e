// What commands take when an option is absent: the environment, then the configuration file.

import Foundation
import ServiceAPI

/// The contents of the configuration file.
struct Defaults: Codable, Equatable {
  static let service = "https://127.0.0.1:8730"
  static let catalog = "default"

  var service: String?
  var catalog: String?
  var resourceGroup: String?
  var subscription: String?
  /// A file with a token.
  var tokenFile: String?
  /// A PEM file with authorities.
  var ca: String?

  /// `$MARTLET_CONFIG`, or `~/.config/martlet/config.json`.
  static var file: URL {
    if let path = environment("MARTLET_CONFIG") { return URL(fileURLWithPath: path) }
    let home = environment("XDG_CONFIG_HOME").map { URL(fileURLWithPath: $0) }
    let folder = home ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".config")
    return folder.appending(path: "martlet/config.json")
  }

  /// An environment variable that is set and not empty.
  static func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Reads the file; empty when there is none.
  static func load() throws -> Defaults {
    let file = file
    guard FileManager.default.fileExists(atPath: file.path) else { return Defaults() }
    do {
      return try ServiceJSON.decoder().decode(Defaults.self, from: Data(contentsOf: file))
    } catch {
      throw CommandFailure(
        message: "The configuration file \(file.path) cannot be read.",
        remedy: "Delete it and set the defaults anew with martlet config set.")
    }
  }

  func save() throws {
    let file = Self.file
    do {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try ServiceJSON.encoder(pretty: true).encode(self).write(to: file, options: .atomic)
    } catch {
      throw CommandFailure(
        message: "Cannot write \(file.path): \(error.localizedDescription)",
        remedy: "Name another file in MARTLET_CONFIG.")
    }
  }
}
