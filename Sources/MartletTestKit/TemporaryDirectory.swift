// A folder that lasts as long as a test needs it.

import Foundation

/// A fresh folder below the system's temporary one.
public struct TemporaryDirectory: Sendable {
  public let url: URL

  /// The folder's path.
  public var path: String { url.path }

  /// The path of `name` inside the folder.
  public func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// Makes a folder, runs `body` and removes the folder with all it holds, also when `body` throws.
  public static func with<Result>(_ body: (TemporaryDirectory) throws -> Result) throws -> Result {
    let directory = try make()
    defer { directory.remove() }
    return try body(directory)
  }

  /// Makes a folder, runs `body` and removes the folder with all it holds, also when `body` throws.
  public static func with<Result>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (TemporaryDirectory) async throws -> Result
  ) async throws -> Result {
    let directory = try make()
    defer { directory.remove() }
    return try await body(directory)
  }

  private static func make() throws -> TemporaryDirectory {
    // Short, because a Unix socket's path has about a hundred bytes.
    let name = "martlet-" + String(UInt64.random(in: .min ... .max), radix: 36)
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    return TemporaryDirectory(url: url)
  }

  private func remove() {
    // What cannot be removed is the system's to clean up: a test must not fail by it.
    try? FileManager.default.removeItem(at: url)
  }
}
