// The crash counts of one region.

import Foundation
import GRDB
import ServiceAPI

extension SQLiteDumpStore {
  static func makeCounts(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE crashCounts (
          deviceId TEXT NOT NULL,
          fingerprint TEXT NOT NULL,
          firstBoot INTEGER NOT NULL,
          firstUptime INTEGER,
          lastBoot INTEGER NOT NULL,
          lastUptime INTEGER,
          count INTEGER NOT NULL,
          reportedAt INTEGER NOT NULL,
          PRIMARY KEY (deviceId, fingerprint, firstBoot)
        ) STRICT, WITHOUT ROWID;
        """)
  }

  func keep(_ counts: [CountRequest.Count], of device: DeviceID, at time: Date) async throws {
    let now = milliseconds(time)
    try await pool.write { db in
      for count in counts {
        // As CrashCount.merge does it.
        try db.execute(
          literal: """
            INSERT INTO crashCounts (deviceId, fingerprint, firstBoot, firstUptime, lastBoot,
              lastUptime, count, reportedAt)
            VALUES (\(device.text), \(count.fingerprint), \(count.firstBoot),
              \(count.firstUptimeSeconds), \(count.lastBoot), \(count.lastUptimeSeconds),
              \(count.count), \(now))
            ON CONFLICT DO UPDATE SET
              count = max(count, excluded.count),
              firstUptime = ifnull(firstUptime, excluded.firstUptime),
              (lastBoot, lastUptime) = (SELECT iif(isLater, excluded.lastBoot, lastBoot),
                iif(isLater, excluded.lastUptime, lastUptime)
                FROM (SELECT (excluded.lastBoot, ifnull(excluded.lastUptime, 0))
                  > (lastBoot, ifnull(lastUptime, 0)) AS isLater)),
              reportedAt = excluded.reportedAt
            """)
      }
    }
  }

  func counts(of names: Set<CrashName>) async throws -> [CrashCount] {
    try await pool.read { db in
      try names.flatMap { name in
        try Self.counts(
          db,
          where: "deviceId = \(name.device) AND fingerprint = \(name.fingerprint)")
      }
    }
  }

  func counts(of device: DeviceID) async throws -> [CrashCount] {
    try await pool.read { try Self.counts($0, where: "deviceId = \(device.text)") }
  }

  private static func counts(_ db: Database, where condition: SQL) throws -> [CrashCount] {
    try SQLRequest<Row>(literal: "SELECT * FROM crashCounts WHERE \(condition)").fetchAll(db).map {
      CrashCount(
        name: CrashName(device: $0["deviceId"], fingerprint: $0["fingerprint"]),
        count: CountRequest.Count(
          fingerprint: $0["fingerprint"], firstBoot: $0["firstBoot"],
          firstUptimeSeconds: $0["firstUptime"], lastBoot: $0["lastBoot"],
          lastUptimeSeconds: $0["lastUptime"], count: $0["count"]))
    }
  }
}
