// The tables of one region, and how older ones become them.

import Crypto
import Foundation
import GRDB

extension SQLiteDumpStore {
  /// - Parameter secrets: of this store; a migration encrypts what older versions kept in the clear.
  static func migrator(_ secrets: SecretTable) -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("dumps", migrate: makeDumps)
    migrator.registerMigration("crash counts", migrate: makeCounts)
    migrator.registerMigration("sealed contents") { try sealContents($0, secrets) }
    migrator.registerMigration("skipped dumps", migrate: makeSkipped)
    return migrator
  }

  private static func makeDumps(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE dumps (
          id TEXT NOT NULL PRIMARY KEY,
          deviceId TEXT NOT NULL,
          bootCount INTEGER NOT NULL,
          sequence INTEGER NOT NULL,
          catalog TEXT NOT NULL COLLATE NOCASE,
          product TEXT NOT NULL COLLATE NOCASE,
          deviceGroup TEXT NOT NULL COLLATE NOCASE,
          kind TEXT NOT NULL,
          fingerprint TEXT NOT NULL,
          signature TEXT NOT NULL,
          buildId TEXT NOT NULL,
          imageVersion TEXT NOT NULL,
          uptimeMicroseconds TEXT NOT NULL,
          occurrences INTEGER NOT NULL,
          consentEpoch INTEGER NOT NULL,
          size INTEGER NOT NULL,
          isTruncated INTEGER NOT NULL,
          receivedAt INTEGER NOT NULL,
          prologue BLOB NOT NULL,
          UNIQUE (deviceId, bootCount, sequence)
        ) STRICT;
        CREATE INDEX dumpsByTime ON dumps (receivedAt, id);
        CREATE INDEX dumpsByDevice ON dumps (deviceId, receivedAt, id);
        CREATE INDEX dumpsByGroup ON dumps (catalog, product, deviceGroup, receivedAt, id);
        CREATE INDEX dumpsByFingerprint ON dumps (fingerprint, receivedAt);
        CREATE TABLE contents (
          dumpId TEXT NOT NULL PRIMARY KEY REFERENCES dumps ON DELETE CASCADE,
          content BLOB NOT NULL
        ) STRICT;
        """)
  }

  /// Content and signature go out of the clear, row by row, and all of it or nothing.
  private static func sealContents(_ db: Database, _ secrets: SecretTable) throws {
    try SecretTable.make(db)
    let vault = try vault(db, secrets)
    try db.execute(
      sql: """
        CREATE TABLE sealingKeys (
          id INTEGER NOT NULL PRIMARY KEY,
          wrapped BLOB NOT NULL
        ) STRICT;
        -- The large column last, so that lists do not wade through it.
        CREATE TABLE sealedContents (
          dumpId TEXT NOT NULL PRIMARY KEY REFERENCES dumps ON DELETE CASCADE,
          wrappedKey BLOB NOT NULL,
          signature BLOB NOT NULL,
          content BLOB NOT NULL
        ) STRICT;
        ALTER TABLE dumps ADD COLUMN receivedDigest BLOB NOT NULL DEFAULT x'';
        ALTER TABLE dumps ADD COLUMN groupId TEXT NOT NULL DEFAULT '';
        """)
    let rows = try Row.fetchCursor(
      db, sql: "SELECT id, signature, content FROM dumps JOIN contents ON dumpId = id")
    while let row = try rows.next() {
      let id: String = row["id"]
      let content: Data = row["content"]
      try insert(
        db, try vault.seal(content: content, signature: row["signature"], id: id), id: id)
      try db.execute(
        literal: """
          UPDATE dumps SET receivedDigest = \(Data(SHA256.hash(data: content))) WHERE id = \(id)
          """)
    }
    try db.execute(
      sql: """
        DROP TABLE contents;
        ALTER TABLE dumps DROP COLUMN signature;
        CREATE INDEX dumpsOfGroup ON dumps (groupId, receivedAt, fingerprint);
        """)
  }

  /// The vault of the store, its key made when it is missing.
  static func vault(_ db: Database, _ secrets: SecretTable) throws -> DumpVault {
    DumpVault(
      secret: try secrets.secret(db, DumpVault.secretName, orInsert: DumpVault.newSecret))
  }

  static func insert(_ db: Database, _ dump: VaultedDump, id: String) throws {
    try db.execute(
      literal: """
        INSERT INTO sealedContents (dumpId, wrappedKey, signature, content)
        VALUES (\(id), \(dump.wrappedKey), \(dump.signature), \(dump.content))
        """)
  }
}
