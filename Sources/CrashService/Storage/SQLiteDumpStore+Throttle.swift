// How many dumps of a kind one region has, and how many it was offered in vain.

import DumpFormat
import Foundation
import GRDB
import ServiceAPI

extension SQLiteDumpStore {
  static func makeSkipped(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE skippedDumps (
          deviceId TEXT NOT NULL,
          bootCount INTEGER NOT NULL,
          sequence INTEGER NOT NULL,
          fingerprint TEXT NOT NULL,
          skippedAt INTEGER NOT NULL,
          PRIMARY KEY (deviceId, bootCount, sequence)
        ) STRICT, WITHOUT ROWID;
        """)
  }

  func stored(inGroup groupID: String, since: Date, buildID: String?) async throws -> [String: Int]
  {
    try await pool.read { db in
      var request: SQL = """
        SELECT fingerprint, count(*) AS number FROM dumps
        WHERE groupId = \(groupID) AND receivedAt > \(milliseconds(since))
        """
      if let buildID { request += " AND buildId = \(buildID)" }
      request += " GROUP BY fingerprint"
      return try Self.counts(db, request)
    }
  }

  func keep(_ skipped: [SkippedDump], at time: Date) async throws {
    guard !skipped.isEmpty else { return }
    let now = milliseconds(time)
    try await pool.write { db in
      for dump in skipped {
        try db.execute(
          literal: """
            INSERT INTO skippedDumps (deviceId, bootCount, sequence, fingerprint, skippedAt)
            VALUES (\(dump.device.text), \(dump.key.bootCount), \(dump.key.sequence),
              \(dump.fingerprint), \(now))
            ON CONFLICT DO NOTHING
            """)
      }
    }
  }

  func skipped(of device: DeviceID) async throws -> [String: Int] {
    try await pool.read { db in
      try Self.counts(
        db,
        """
        SELECT fingerprint, count(*) AS number FROM skippedDumps WHERE deviceId = \(device.text)
        GROUP BY fingerprint
        """)
    }
  }

  private static func counts(_ db: Database, _ request: SQL) throws -> [String: Int] {
    let rows = try SQLRequest<Row>(literal: request).fetchAll(db)
    return Dictionary(
      rows.map { ($0["fingerprint"], $0["number"]) }, uniquingKeysWith: { $0 + $1 })
  }
}
