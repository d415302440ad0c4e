// The crash counts of one region.

import Foundation
import SQLStorage
import ServiceAPI

extension DumpStore {
  static func makeCounts(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE crashCounts (
        deviceId \(engine.text) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        firstBoot \(engine.integer) NOT NULL,
        firstUptime \(engine.integer),
        lastBoot \(engine.integer) NOT NULL,
        lastUptime \(engine.integer),
        count \(engine.integer) NOT NULL,
        reportedAt \(engine.integer) NOT NULL,
        PRIMARY KEY (deviceId, fingerprint, firstBoot)
      ) \(engine.strictKeyed)
      """)
  }

  /// Stores crash counts of a device. Of several under one name what each knows is put together. They
  /// are on disk when the call returns.
  /// - Parameter elsewhere: what other regions have counted: it is in their windows.
  func keep(
    _ counts: [CountRequest.Count], of placement: Placement,
    countedElsewhere elsewhere: [CountName: UInt32], at time: Date
  ) async throws {
    let device = placement.device
    let now = milliseconds(time)
    try await database.write(lock: "counts/\(device.text)") { db in
      for report in counts {
        let stored = try db.row(
          """
          SELECT * FROM crashCounts WHERE deviceId = \(device.text)
          AND fingerprint = \(report.fingerprint) AND firstBoot = \(report.firstBoot)
          """
        ).map(CrashCount.init)
        var merged =
          stored
          ?? CrashCount(
            name: CrashName(device: device.text, fingerprint: report.fingerprint), count: report)
        merged.merge(report)
        let count = merged.count
        let before = max(stored?.count.count ?? 0, elsewhere[merged.countName] ?? 0)
        try Self.add(
          Int64(count.count) - Int64(before), of: count.fingerprint, to: placement, at: now, db)
        try db.run(
          """
          INSERT INTO crashCounts (deviceId, fingerprint, firstBoot, firstUptime, lastBoot,
            lastUptime, count, reportedAt)
          VALUES (\(device.text), \(count.fingerprint), \(count.firstBoot),
            \(count.firstUptimeSeconds), \(count.lastBoot), \(count.lastUptimeSeconds),
            \(count.count), \(now))
          ON CONFLICT (deviceId, fingerprint, firstBoot) DO UPDATE SET
            firstUptime = excluded.firstUptime, lastBoot = excluded.lastBoot,
            lastUptime = excluded.lastUptime, count = excluded.count,
            reportedAt = excluded.reportedAt
          """)
      }
    }
  }

  /// What is stored under these names.
  func counts(of names: Set<CrashName>) async throws -> [CrashCount] {
    guard !names.isEmpty else { return [] }
    return try await database.look { db in
      let asked: [[any SQLConvertible]] = names.map { [$0.device, $0.fingerprint] }
      return try db.rows(asking: asked, of: ["TEXT", "TEXT"]) { asked in
        """
        WITH asked (device, kind) AS (VALUES \(asked))
        SELECT crashCounts.* FROM asked
        CROSS JOIN crashCounts WHERE deviceId = device AND fingerprint = kind
        """
      }.map(CrashCount.init)
    }
  }

  /// All counts of a device.
  func counts(of device: DeviceID) async throws -> [CrashCount] {
    try await database.read { db in
      try db.rows("SELECT * FROM crashCounts WHERE deviceId = \(device.text)").map(CrashCount.init)
    }
  }
}

extension CrashCount {
  fileprivate init(_ row: SQLRow) throws {
    let fingerprint: String = try row["fingerprint"]
    self.init(
      name: CrashName(device: try row["deviceId"], fingerprint: fingerprint),
      count: CountRequest.Count(
        fingerprint: fingerprint, firstBoot: try row["firstBoot"],
        firstUptimeSeconds: try row["firstUptime"], lastBoot: try row["lastBoot"],
        lastUptimeSeconds: try row["lastUptime"], count: try row["count"]))
  }
}
