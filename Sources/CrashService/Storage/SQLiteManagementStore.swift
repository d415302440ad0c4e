// The management store in one SQLite file.

import Foundation
import GRDB
import ServiceAPI

/// `martlet.sqlite`: one process owns it.
final class SQLiteManagementStore: ManagementStore {
  let pool: DatabasePool
  let gate = PlacementGate()
  let secrets: SecretTable
  let now: @Sendable () -> Date

  /// - Parameter now: the service's clock.
  /// - Throws: ``SecretUnreadable`` when the database belongs to another master key.
  init(at url: URL, masterKey: MasterKey, now: @escaping @Sendable () -> Date) throws {
    pool = try openDatabase(at: url, migrator: Self.migrator)
    secrets = SecretTable(masterKey: masterKey, store: "management")
    self.now = now
    try makeMissingKeys()
  }

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("catalogs, groups, devices") { db in
      try db.execute(
        sql: """
          CREATE TABLE catalogs (
            id TEXT NOT NULL PRIMARY KEY,
            subscription TEXT NOT NULL COLLATE NOCASE,
            resourceGroup TEXT NOT NULL COLLATE NOCASE,
            name TEXT NOT NULL COLLATE NOCASE,
            location TEXT NOT NULL,
            tags TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            modifiedAt INTEGER NOT NULL,
            UNIQUE (subscription, resourceGroup, name)
          ) STRICT;
          CREATE TABLE products (
            id TEXT NOT NULL PRIMARY KEY,
            catalogId TEXT NOT NULL REFERENCES catalogs ON DELETE CASCADE,
            name TEXT NOT NULL COLLATE NOCASE,
            description TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            modifiedAt INTEGER NOT NULL,
            UNIQUE (catalogId, name)
          ) STRICT;
          CREATE TABLE deviceGroups (
            id TEXT NOT NULL PRIMARY KEY,
            productId TEXT NOT NULL REFERENCES products ON DELETE CASCADE,
            name TEXT NOT NULL COLLATE NOCASE,
            description TEXT NOT NULL,
            osFeedType TEXT NOT NULL,
            updatePolicy TEXT NOT NULL,
            allowCrashDumpsCollection TEXT NOT NULL,
            regionalDataBoundary TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            modifiedAt INTEGER NOT NULL,
            UNIQUE (productId, name)
          ) STRICT;
          CREATE TABLE devices (
            id TEXT NOT NULL PRIMARY KEY,
            deviceGroupId TEXT NOT NULL REFERENCES deviceGroups ON DELETE CASCADE,
            claimedAt INTEGER NOT NULL
          ) STRICT;
          CREATE INDEX devicesByGroup ON devices (deviceGroupId, id);
          -- Outlives the device's row, so that an epoch never goes back.
          CREATE TABLE consentEpochs (
            device TEXT NOT NULL PRIMARY KEY,
            epoch INTEGER NOT NULL
          ) STRICT;
          CREATE TABLE uncapturedCrashes (
            device TEXT NOT NULL PRIMARY KEY,
            total INTEGER NOT NULL,
            lastNonce BLOB NOT NULL,
            modifiedAt INTEGER NOT NULL
          ) STRICT;
          CREATE TABLE operations (
            id TEXT NOT NULL PRIMARY KEY,
            createdAt INTEGER NOT NULL
          ) STRICT;
          """)
    }
    migrator.registerMigration("provisioning", migrate: makeProvisioning)
    return migrator
  }

  /// Reads, beside anything else.
  func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws
    -> Value
  {
    try await pool.read(body)
  }

  /// Writes while no dump is being stored, so that what was agreed about a device holds until the
  /// dump is in.
  func write<Value: Sendable>(
    _ body: @escaping @Sendable (_ db: Database, _ now: Int64) throws -> Value
  ) async throws -> Value {
    let time = milliseconds(now())
    return try await gate.exclusive { try await pool.write { try body($0, time) } }
  }

  func close() throws { try pool.close() }

  static func newID() -> String { UUID().uuidString.lowercased() }
}

extension Page {
  var sql: SQL { "LIMIT \(limit) OFFSET \(offset)" }
}
