// The databases of a service on either engine, as backups copy and make them.

import Foundation
import SQLStorage
import ServiceAPI

extension ServiceStorage {
  var engine: SQLEngine {
    switch self {
    case .folder: .sqlite
    case .postgres: .postgres
    }
  }

  /// Copies every database but those with keys, each as it is at one moment: dumps before management data, so
  /// that the groups and devices of every dump are in the copy.
  func copyDatabases(of dataFolder: URL, to target: URL) async throws -> [BackupManifest.File] {
    var files: [BackupManifest.File] = []
    for name in BackupManifest.databases(of: engine) {
      let file = target.appending(path: name)
      var schema: String?
      if let copy = try copy(named: name) {
        schema = try await with(copy) { try await $0.write(to: file) }
      } else {
        try SQLiteDatabase.copy(dataFolder.appending(path: name), to: file)
      }
      let (bytes, sha256) = try BackupFiles.settle(file)
      files.append(
        BackupManifest.File(name: name, bytes: bytes, sha256: sha256, schema: schema))
    }
    return files
  }

  /// Makes PostgreSQL's databases of a backup's files, or leaves all of them as they were. Files of SQLite are in
  /// their place when they are copied.
  /// - Throws: ``BackupFailure``, ``SQLFailure``.
  func restoreDatabases(_ manifest: BackupManifest, from backup: URL) async throws {
    guard case .postgres(let storage) = self else { return }
    for keys in storage.regions.values.map(\.keys) {
      try await with(PostgresCopy(keys, options: storage.options)) {
        try await $0.expectEmpty(schema: nil, for: "keys")
      }
    }
    let files = manifest.databaseFiles
    for file in files {
      guard let copy = try copy(named: file.name) else { continue }
      try await with(copy) {
        try await $0.expectEmpty(schema: file.schema, for: file.name)
      }
    }
    do {
      for file in files {
        guard let copy = try copy(named: file.name) else { continue }
        try await with(copy) {
          try await $0.read(backup.appending(path: file.name), schema: file.schema ?? "")
        }
      }
    } catch {
      await clearDatabases()
      throw error
    }
  }

  /// Removes what a service made in databases of PostgreSQL that were empty before.
  func clearDatabases() async {
    guard case .postgres(let storage) = self else { return }
    let targets = [storage.management] + storage.regions.values.flatMap { [$0.dumps, $0.keys] }
    for target in targets {
      try? await with(PostgresCopy(target, options: storage.options)) { try await $0.clear() }
    }
  }

  /// The database with a region's keys.
  func keyDatabase(of region: Region, in dataFolder: URL) throws -> any SQLDatabase {
    switch self {
    case .folder:
      try SQLiteDatabase(at: dataFolder.appending(path: "keys/\(region.storeName).sqlite"))
    case .postgres(let storage):
      PostgresDatabase(try storage.targets(of: region).keys, options: storage.options)
    }
  }

  /// - Parameter name: of a file of a backup.
  /// - Returns: `nil` with SQLite.
  private func copy(named name: String) throws -> PostgresCopy? {
    guard case .postgres(let storage) = self else { return nil }
    let region = Region.allCases.first { name.hasPrefix("\($0.storeName).") }
    let target = try region.map { try storage.targets(of: $0).dumps } ?? storage.management
    return try PostgresCopy(target, options: storage.options)
  }

  private func with<Value: Sendable>(
    _ copy: PostgresCopy, _ body: (PostgresCopy) async throws -> Value
  ) async throws -> Value {
    do {
      let value = try await body(copy)
      try await copy.close()
      return value
    } catch {
      try? await copy.close()
      throw error
    }
  }
}
