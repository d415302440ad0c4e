// A service to back up, and places for what is made of it.

import Foundation
import Logging
import Synchronization
import Testing

@testable import CrashService

/// A service with one dump, a backup of it, and places for more.
struct BackupPlace: Sendable {
  let folder = TestFolder()
  let clock = TestClock()
  let backup: URL
  let keys: URL
  private let made = MadeFolders()

  /// Of the service that is backed up.
  var data: TestFolder { self["data"] }

  /// The folder of a service, with databases of its own: the same for the same name.
  subscript(name: String) -> TestFolder { made.folder(name, in: folder) }

  init() throws {
    backup = folder.url.appending(path: "backup")
    keys = folder.url.appending(path: "last.keys")
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
  }

  func run(_ body: @escaping @Sendable (ServiceBench) async throws -> Void, setUp: Bool = false)
    async throws
  {
    try await ServiceBench.run(folder: data, setUp: setUp, clock: clock, body)
  }

  func makeBackup(_ name: String = "backup") async throws {
    try await ServiceBackup.make(
      of: data.url, storage: data.storage(), to: folder.url.appending(path: name), keys: keys,
      now: clock.now)
  }

  @discardableResult
  func restore(_ name: String = "backup", to target: String = "restored", keys: URL?)
    async throws -> ServiceBackup.Restored
  {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try await ServiceBackup.restore(
      from: folder.url.appending(path: name), to: self[target].url,
      storage: self[target].storage(), keys: keys, masterKey: ServiceBench.masterKey,
      clock: clock.watched, logger: logger)
  }

  func runRestored(
    _ target: String = "restored", _ body: @escaping @Sendable (ServiceBench) async throws -> Void
  ) async throws {
    try await ServiceBench.run(folder: self[target], setUp: false, clock: clock, body)
  }

  static let day: TimeInterval = 86_400
  static let content = sampleDump(memory: Array("memory of a board".utf8))

  /// Stores a dump and makes the backup while the service runs.
  static func filled() async throws -> BackupPlace {
    let place = try BackupPlace()
    try await place.run(
      { bench in
        try await bench.setConsent(.enabled)
        #expect(try await bench.upload(content).status == .created)
        try await place.makeBackup()
      }, setUp: true)
    return place
  }
}

private final class MadeFolders: Sendable {
  private let folders = Mutex<[String: TestFolder]>([:])

  func folder(_ name: String, in parent: TestFolder) -> TestFolder {
    folders.withLock { folders in
      let folder =
        folders[name]
        ?? TestFolder(at: parent.url.appending(path: name), databases: .whole())
      folders[name] = folder
      return folder
    }
  }
}
