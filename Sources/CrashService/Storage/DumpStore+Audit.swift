// What was deleted of a region's dumps, for good: the part of the audit log that lies with the dumps.

import Foundation
import SQLStorage
import ServiceAPI

extension DumpStore {
  static func makeAudit(_ db: any SQLConnection) throws {
    let engine = db.engine
    let number: SQLText =
      engine == .sqlite
      ? "INTEGER PRIMARY KEY AUTOINCREMENT" : "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    try db.script(
      """
      CREATE TABLE audit (
        number \(number),
        at \(engine.integer) NOT NULL,
        event TEXT NOT NULL,
        -- A dump's id, or what else the event is about.
        subject \(engine.text) NOT NULL,
        groupId \(engine.text) NOT NULL
      ) \(engine.strict)
      """)
  }

  /// Events of the region, oldest first.
  /// - Parameter after: the number of the last event that is known.
  func audit(after: Int64, limit: Int) async throws -> [AuditEvent] {
    let region = region
    return try await database.read { db in
      try db.rows(
        """
        SELECT number, at, event, subject, groupId FROM audit WHERE number > \(after)
        ORDER BY number LIMIT \(limit)
        """
      ).map {
        AuditEvent(
          region: region.rawValue, number: try $0["number"],
          at: date(milliseconds: try $0["at"]), event: try $0["event"],
          subject: try $0["subject"], deviceGroupId: try $0["groupId"])
      }
    }
  }
}
