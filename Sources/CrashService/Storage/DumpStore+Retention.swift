// The end of dumps: their keys first, then their rows.

import Foundation
import SQLStorage

extension DumpStore {
  /// The most dumps whose rows go in one transaction, so that others need not wait long for theirs.
  private static let mostTogether = 2000

  /// Deletes what is over by `now`.
  /// - Parameters:
  ///   - days: the period, 1 to 29.
  ///   - group: of that device group alone; of all of them when `nil`.
  /// - Returns: how many keys and how many dumps went.
  func deleteOver(days: Int = RetentionPeriod.mostDays, group: String? = nil, now: Date)
    async throws -> (keys: Int, dumps: Int)
  {
    let time = milliseconds(now)
    // From here on nobody can read them, wherever copies of the rows are.
    let destroyed = try await keys.destroy(
      before: RetentionPeriod.firstKept(days: days, now: time), group: group)
    let horizon = RetentionPeriod.horizon(days: days, now: time)
    var deleted = 0
    if group == nil {
      // A day of which all is over is dropped.
      let first = RetentionPeriod.dayNumber(horizon)
      for day in try await partitions.days(before: first, in: database) {
        do {
          deleted += try await dropDay(day, now: time)
        } catch let failure as SQLFailure where failure.code == .busy {
          // Somebody reads them, such as a backup: their rows go one by one, and the next look finds
          // the empty partitions.
          break
        }
      }
    }
    while case let count = try await deleteRows(before: horizon, group: group, now: time), count > 0
    {
      deleted += count
    }
    if group == nil { try await forgetOffers(before: horizon, now: time) }
    return (destroyed, deleted)
  }

  /// What is left although it is over.
  func over(days: Int = RetentionPeriod.mostDays, group: String? = nil, now: Date) async throws
    -> (keys: Int, dumps: Int)
  {
    let time = milliseconds(now)
    let bound = DumpID.lowest(
      in: region, at: RetentionPeriod.horizon(days: days, now: time))
    let narrowed = Self.narrowed(to: group)
    let rows: Int = try await database.read { db in
      let dumps: Int? = try db.value(
        "SELECT count(*) AS value FROM dumps WHERE id < \(bound) \(narrowed)")
      let strays: Int? = try db.value(
        """
        SELECT count(*) AS value FROM contents
        WHERE dumpId < \(bound) AND dumpId NOT IN (SELECT id FROM dumps WHERE id < \(bound))
        """)
      return (dumps ?? 0) + (group == nil ? strays ?? 0 : 0)
    }
    let left = try await keys.count(
      before: RetentionPeriod.firstKept(days: days, now: time), group: group)
    return (left, rows)
  }

  /// When the oldest dump was received.
  func oldest() async throws -> Date? { try await received("ORDER BY id LIMIT 1") }

  /// When the newest dump was received.
  func newest() async throws -> Date? { try await received("ORDER BY id DESC LIMIT 1") }

  private func received(_ end: SQLText) async throws -> Date? {
    try await database.rows("SELECT receivedAt FROM dumps \(end)").first.map {
      date(milliseconds: try $0["receivedAt"])
    }
  }

  private static func narrowed(to group: String?) -> SQLText {
    group.map { "AND groupId = \($0)" } ?? ""
  }

  /// Deletes some rows and writes down which.
  private func deleteRows(before horizon: Int64, group: String?, now: Int64) async throws -> Int {
    let end = DumpID.lowest(in: region, at: horizon)
    let narrowed = Self.narrowed(to: group)
    return try await database.write(lock: "retention") { db in
      // A bound in the order of ids makes ranges of what follows.
      let last: String? = try db.value(
        """
        SELECT id AS value FROM dumps WHERE id < \(end) \(narrowed)
        ORDER BY id LIMIT 1 OFFSET \(Self.mostTogether)
        """)
      let over: SQLText = "id < \(last ?? end) \(narrowed)"
      try Self.writeDown(db, over, now: now)
      try db.run(
        """
        DELETE FROM dumpKeys WHERE (deviceId, bootCount, sequence) IN
          (SELECT deviceId, bootCount, sequence FROM dumps WHERE \(over))
        """)
      try Self.takeOff(db, over)
      if group == nil {
        try db.run("DELETE FROM contents WHERE dumpId < \(last ?? end)")
      } else {
        try db.run("DELETE FROM contents WHERE dumpId IN (SELECT id FROM dumps WHERE \(over))")
      }
      return try db.run("DELETE FROM dumps WHERE \(over)")
    }
  }

  private static func writeDown(_ db: any SQLConnection, _ over: SQLText, now: Int64) throws {
    try db.run(
      """
      INSERT INTO audit (at, event, subject, groupId)
      SELECT \(now), 'dump.deleted', id, groupId FROM dumps WHERE \(over) ORDER BY id
      """)
  }

  /// Takes dumps off the counts of their kinds.
  private static func takeOff(_ db: any SQLConnection, _ over: SQLText) throws {
    // Groups as values, so that SQLite looks at what is over and not along the index of groups.
    let kinds = try db.rows(
      """
      SELECT groupId || '' AS groupId, fingerprint, day, count(*) AS number FROM dumps WHERE \(over)
      GROUP BY groupId || '', fingerprint, day ORDER BY 1, 2, 3
      """)
    _ = try db.runAll(
      kinds.map { kind -> SQLText in
        let group: String = try kind["groupId"]
        let fingerprint: String = try kind["fingerprint"]
        let day: Int64 = try kind["day"]
        let number: Int64 = try kind["number"]
        return """
          UPDATE dumpKinds SET number = number - \(number)
          WHERE groupId = \(group) AND fingerprint = \(fingerprint) AND day = \(day)
          """
      })
    try db.run("DELETE FROM dumpKinds WHERE number <= 0")
  }

  /// Drops the partitions of a day.
  private func dropDay(_ day: Int64, now: Int64) async throws -> Int {
    try await database.write(lock: "partitions") { [partitions] db in
      // Dumps that come in wait behind whoever waits for the whole table.
      try db.script("SET LOCAL lock_timeout = 200")
      let number: Int? = try db.value("SELECT count(*) AS value FROM dumps WHERE day = \(day)")
      try Self.writeDown(db, "day = \(day)", now: now)
      try db.run(
        """
        DELETE FROM dumpKeys USING dumps WHERE dumps.day = \(day)
        AND dumpKeys.deviceId = dumps.deviceId AND dumpKeys.bootCount = dumps.bootCount
        AND dumpKeys.sequence = dumps.sequence
        """)
      try db.run("DELETE FROM dumpKinds WHERE day = \(day)")
      try partitions.drop(day, db)
      return number ?? 0
    }
  }
}
