// Services made of backups.

import Foundation
import Logging
import SQLStorage
import ServiceAPI

extension ServiceBackup {
  /// What a restored service holds.
  public struct Restored: Equatable, Sendable {
    /// When the backup was made.
    public var made: Date
    public var dumps: Int
    /// Of those, how many nobody can open: their key is not in the key file.
    public var sealedForGood: Int
  }

  /// Makes a data folder of a backup, and databases if they are elsewhere. What is over by the clock is deleted
  /// before anybody can ask for it.
  /// - Parameters:
  ///   - target: a folder that is empty or does not exist.
  ///   - storage: where the databases are to be, on the same engine as before; empty ones.
  ///   - keys: the key file; without it no dump opens.
  /// - Throws: ``BackupFailure``, ``ServiceStartFailure``, ``SQLFailure``.
  public static func restore(
    from backup: URL, to target: URL, storage: ServiceStorage = .folder, keys: URL?,
    masterKey: MasterKey, clock: ServiceClock = ServiceClock(),
    logger: Logger = Logger(label: "martlet-service")
  ) async throws -> Restored {
    let manifest = try BackupManifest(of: backup)
    guard manifest.engine == storage.engine else {
      throw BackupFailure(
        .notWritable,
        "The backup is of a service on \(manifest.engine.rawValue), and what is named is "
          + storage.engine.rawValue,
        remedy: "Name databases of PostgreSQL with the variables \(ServiceStorage.variable)..., or "
          + "none for SQLite, as when it was made")
    }
    let keys = try keys.map(KeyFile.read) ?? []
    try BackupFiles.makeEmpty(target)
    do {
      for file in manifest.files { try copy(file, from: backup, to: target) }
      try await storage.restoreDatabases(manifest, from: target)
      do {
        let restored = try await finish(
          CrashService(
            dataFolder: target, storage: storage, masterKey: masterKey, clock: clock, logger: logger
          ),
          keys, made: manifest.made)
        if storage.engine == .postgres {
          for file in manifest.databaseFiles {
            try FileManager.default.removeItem(at: target.appending(path: file.name))
          }
        }
        BackupFiles.synchronize(target)
        return restored
      } catch {
        await storage.clearDatabases()
        throw error
      }
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

  private static func finish(_ service: CrashService, _ keys: [KeyFile.Key], made: Date)
    async throws
    -> Restored
  {
    do {
      try await service.restore(keys)
      _ = try await service.deleteOverdue()
      let restored = Restored(
        made: made, dumps: try await service.dumps.count(DumpFilter()),
        sealedForGood: try await service.dumpsWithoutKey())
      try await service.close()
      return restored
    } catch {
      try? await service.close()
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
          FROM dumps GROUP BY 1, 2
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
