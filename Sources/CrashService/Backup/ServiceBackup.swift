// Copies of a service's stores, made while it runs, and services made of copies.

import Crypto
import DumpFormat
import Foundation
import Logging
import SQLStorage
import ServiceAPI

/// Backups of a data folder.
///
/// A backup holds the stores without the keys that dumps are encrypted under. Those go to a file of their own that is
/// overwritten each time: so a backup opens nothing that was deleted since.
public enum ServiceBackup {
  /// Copies the stores. Needs no master key, and the service may run.
  /// - Parameters:
  ///   - target: a folder that is empty or does not exist.
  ///   - keys: the key file, which is overwritten; without it none is written.
  /// - Throws: ``BackupFailure``, ``SQLFailure``.
  @discardableResult
  public static func make(of dataFolder: URL, to target: URL, keys: URL?, now: Date) async throws
    -> BackupManifest
  {
    for name in BackupManifest.databases
    where !FileManager.default.fileExists(atPath: dataFolder.appending(path: name).path) {
      throw BackupFailure(
        .sourceMissing, "There is no service's data in \(dataFolder.path): \(name) is missing",
        remedy: "Name the service's folder with --data")
    }
    try BackupFiles.makeEmpty(target)
    do {
      let manifest = BackupManifest(made: now, files: try copy(dataFolder, to: target))
      // Behind the dumps, so that each has its key.
      if let keys { try await writeKeys(of: dataFolder, to: keys, now: now) }
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

  /// Dumps before management data: then the groups and devices of every dump are in the copy.
  private static func copy(_ dataFolder: URL, to target: URL) throws -> [BackupManifest.File] {
    var files: [BackupManifest.File] = []
    for name in BackupManifest.databases {
      let file = target.appending(path: name)
      try SQLiteDatabase.copy(dataFolder.appending(path: name), to: file)
      let (bytes, sha256) = try BackupFiles.settle(file)
      files.append(BackupManifest.File(name: name, bytes: bytes, sha256: sha256))
    }
    let certificates = dataFolder.appending(path: BackupManifest.certificates)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: certificates.path)) ?? []
    for name in names.sorted() where !name.hasPrefix(".") {
      let path = "\(BackupManifest.certificates)/\(name)"
      let (bytes, sha256) = try BackupFiles.copy(
        certificates.appending(path: name), to: target.appending(path: path))
      files.append(BackupManifest.File(name: path, bytes: bytes, sha256: sha256))
    }
    return files
  }

  private static func writeKeys(of dataFolder: URL, to file: URL, now: Date) async throws {
    var databases: [(Region, any SQLDatabase)] = []
    for region in Region.allCases {
      let database = dataFolder.appending(path: "keys/\(region.storeName).sqlite")
      databases.append((region, try SQLiteDatabase(at: database)))
    }
    _ = try await KeyFile.write(databases, to: file, now: now)
    for (_, database) in databases { try await database.close() }
  }

  // MARK: - Restoring

  /// What a restored service holds.
  public struct Restored: Equatable, Sendable {
    /// When the backup was made.
    public var made: Date
    public var dumps: Int
    /// Of those, how many nobody can open: their key is not in the key file.
    public var sealedForGood: Int
  }

  /// Makes a data folder of a backup. What is over by the clock is deleted before anybody can ask for it.
  /// - Parameters:
  ///   - target: a folder that is empty or does not exist.
  ///   - keys: the key file; without it no dump opens.
  /// - Throws: ``BackupFailure``, ``ServiceStartFailure``, ``SQLFailure``.
  public static func restore(
    from backup: URL, to target: URL, keys: URL?, masterKey: MasterKey,
    clock: ServiceClock = ServiceClock(), logger: Logger = Logger(label: "martlet-service")
  ) async throws -> Restored {
    let manifest = try BackupManifest(of: backup)
    let keys = try keys.map(KeyFile.read) ?? []
    try BackupFiles.makeEmpty(target)
    do {
      for file in manifest.files { try copy(file, from: backup, to: target) }
      let service = try await CrashService(
        dataFolder: target, masterKey: masterKey, clock: clock, logger: logger)
      try await service.restore(keys)
      _ = try await service.deleteOverdue()
      let restored = Restored(
        made: manifest.made, dumps: try await service.dumps.count(DumpFilter()),
        sealedForGood: try await service.dumpsWithoutKey())
      try await service.close()
      BackupFiles.synchronize(target)
      return restored
    } catch {
      BackupFiles.empty(target)
      if error is SecretUnreadable {
        throw BackupFailure(
          .keysNotUsable, "The key file holds keys of another service",
          remedy: "Name the key file of the service that the backup is of; nothing was restored")
      }
      throw error
    }
  }

  private static func copy(_ file: BackupManifest.File, from backup: URL, to target: URL) throws {
    let copied: (bytes: Int, sha256: String)
    do {
      copied = try BackupFiles.copy(
        backup.appending(path: file.name), to: target.appending(path: file.name))
    } catch let failure as BackupFailure {
      throw failure
    } catch {
      throw BackupFailure.damaged(
        "\(file.name) of the backup cannot be copied: \(error.localizedDescription)")
    }
    guard copied.bytes == file.bytes, copied.sha256 == file.sha256 else {
      throw BackupFailure.damaged("\(file.name) of the backup is not what was backed up")
    }
  }
}

extension CrashService {
  /// Takes back those keys whose time is not over.
  fileprivate func restore(_ keys: [KeyFile.Key]) async throws {
    let first = RetentionPeriod.firstKept(now: milliseconds(now()))
    for store in dumps.all {
      try await store.keys.restore(
        keys.filter { $0.region == store.region.storeName && $0.minute >= first }
          .map { (RetentionSlot(group: $0.group, minute: $0.minute), $0.wrapped) })
    }
  }

  /// How many dumps have no key.
  fileprivate func dumpsWithoutKey() async throws -> Int {
    var count = 0
    for store in dumps.all {
      let slots = try await store.database.read { db in
        try db.rows(
          """
          SELECT groupId, receivedAt / \(RetentionSlot.length) AS minute, count(*) AS number
          FROM dumps GROUP BY groupId, receivedAt / \(RetentionSlot.length)
          """
        ).map {
          (
            RetentionSlot(group: try $0["groupId"], minute: try $0["minute"]),
            try $0["number"] as Int
          )
        }
      }
      let held = try await store.keys.keys(of: Set(slots.map(\.0)))
      count += slots.filter { held[$0.0] == nil }.map(\.1).reduce(0, +)
    }
    return count
  }
}
