// The dumps of one region in one SQLite file.

import DumpFormat
import Foundation
import GRDB
import ServiceAPI

/// `<region>.sqlite`. Content lies in a table of its own, so that lists do not wade through it.
final class SQLiteDumpStore: DumpStore {
  let region: Region
  let pool: DatabasePool

  /// - Parameter folder: the data folder; the file is named after the region.
  init(region: Region, in folder: URL) throws {
    self.region = region
    pool = try openDatabase(
      at: folder.appendingPathComponent("\(region.storeName).sqlite"), migrator: Self.migrator)
  }

  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("dumps") { db in
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
    migrator.registerMigration("crash counts", migrate: makeCounts)
    return migrator
  }

  func close() throws { try pool.close() }

  func insert(_ dump: IncomingDump) async throws -> StoreOutcome {
    let row = DumpRow(dump, id: "\(region.storeName)-\(UUID().uuidString.lowercased())")
    let content = Data(dump.content)
    return try await pool.write { db in
      if let stored = try DumpRow.find(db, row.key, device: row.deviceId) {
        let same: SQLRequest<Bool> = """
          SELECT content = \(content) FROM contents WHERE dumpId = \(stored.id)
          """
        return try same.fetchOne(db) == true ? .present(id: stored.id) : .conflict
      }
      try row.insert(db)
      try db.execute(
        literal: "INSERT INTO contents (dumpId, content) VALUES (\(row.id), \(content))")
      return .stored(id: row.id)
    }
  }

  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredPrologue? {
    try await pool.read { db in
      try DumpRow.find(db, key, device: device.text).map {
        StoredPrologue(id: $0.id, prologue: Array($0.prologue))
      }
    }
  }

  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int) async throws
    -> [(DumpCursor, DumpSummary)]
  {
    let region = region
    return try await pool.read { db in
      var request: SQL = "SELECT * FROM dumps WHERE true"
      if let catalog = filter.catalog { request += " AND catalog = \(catalog)" }
      if let product = filter.product { request += " AND product = \(product)" }
      if let group = filter.deviceGroup { request += " AND deviceGroup = \(group)" }
      if let device = filter.device { request += " AND deviceId = \(device.text)" }
      if let cursor {
        request += " AND (receivedAt, id) < (\(cursor.receivedAt), \(cursor.id))"
      }
      request += " ORDER BY receivedAt DESC, id DESC LIMIT \(limit)"
      return try DumpRow.fetchAll(db, SQLRequest(literal: request)).map {
        (DumpCursor(receivedAt: $0.receivedAt, id: $0.id), $0.summary(in: region))
      }
    }
  }

  func summary(_ id: String) async throws -> DumpSummary? {
    let region = region
    return try await pool.read { try DumpRow.fetchOne($0, key: id)?.summary(in: region) }
  }

  func content(_ id: String) async throws -> Data? {
    try await pool.read { db in
      try SQLRequest<Data>("SELECT content FROM contents WHERE dumpId = \(id)").fetchOne(db)
    }
  }
}
