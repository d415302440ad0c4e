// Copies of a service's stores, made while it runs.

import Foundation
import SQLStorage
import ServiceAPI

/// Backups of a service's stores and certificates.
///
/// A backup holds the stores without the keys that dumps are encrypted under. Those go to a file of their own that is
/// overwritten each time: so a backup opens nothing that was deleted since.
public enum ServiceBackup {
  /// Copies the stores. Needs no master key, and the service may run.
  /// - Parameters:
  ///   - storage: where the service keeps its databases.
  ///   - target: a folder that is empty or does not exist.
  ///   - keys: the key file, which is overwritten; without it none is written.
  /// - Throws: ``BackupFailure``, ``SQLFailure``.
  @discardableResult
  public static func make(
    of dataFolder: URL, storage: ServiceStorage = .folder, to target: URL, keys: URL?, now: Date
  ) async throws -> BackupManifest {
    if case .folder = storage {
      for name in BackupManifest.databases(of: .sqlite)
      where !FileManager.default.fileExists(atPath: dataFolder.appending(path: name).path) {
        throw BackupFailure(
          .sourceMissing, "There is no service's data in \(dataFolder.path): \(name) is missing",
          remedy: "Name the service's folder with --data")
      }
    }
    try BackupFiles.makeEmpty(target)
    do {
      let databases = try await storage.copyDatabases(of: dataFolder, to: target)
      let manifest = BackupManifest(
        made: now, engine: storage.engine,
        files: databases + (try copyCertificates(of: dataFolder, to: target)))
      // Behind the dumps, so that each has its key.
      if let keys { try await writeKeys(of: dataFolder, storage, to: keys, now: now) }
      let draft = target.appending(path: ".\(BackupManifest.name)")
      try ServiceJSON.encoder().encode(manifest).write(to: draft)
      _ = try BackupFiles.settle(draft)
      try FileManager.default.moveItem(at: draft, to: target.appending(path: BackupManifest.name))
      BackupFiles.synchronize(target)
      return manifest
    } catch {
      BackupFiles.empty(target)
      throw error
    }
  }

  private static func copyCertificates(of dataFolder: URL, to target: URL) throws
    -> [BackupManifest.File]
  {
    let certificates = dataFolder.appending(path: BackupManifest.certificates)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: certificates.path)) ?? []
    return try names.sorted().filter { !$0.hasPrefix(".") }.map { name in
      let path = "\(BackupManifest.certificates)/\(name)"
      let (bytes, sha256) = try BackupFiles.copy(
        certificates.appending(path: name), to: target.appending(path: path))
      return BackupManifest.File(name: path, bytes: bytes, sha256: sha256)
    }
  }

  private static func writeKeys(
    of dataFolder: URL, _ storage: ServiceStorage, to file: URL, now: Date
  ) async throws {
    var databases: [(Region, any SQLDatabase)] = []
    for region in Region.allCases {
      databases.append((region, try storage.keyDatabase(of: region, in: dataFolder)))
    }
    do {
      _ = try await KeyFile.write(databases, to: file, now: now)
    } catch {
      for (_, database) in databases { try? await database.close() }
      throw error
    }
    for (_, database) in databases { try await database.close() }
  }
}
