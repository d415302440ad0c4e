// Looking at stored dumps.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI

extension DumpStore {
  /// The first `limit` dumps after `cursor`, newest first.
  /// - Parameter now: what is over by then is not there any more, deleted or not.
  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int, now: Date) async throws
    -> [DumpRow]
  {
    let low = lowest(now)
    let high = cursor.map { upperBound($0) } ?? DumpID.lowest(in: region, at: .max)
    let day = RetentionPeriod.dayNumber(cursor?.receivedAt ?? milliseconds(now))
    return try await database.read { db in
      // The newest partitions have enough in most cases, and each that is looked at takes time.
      let spans: [SQLText] =
        db.engine == .postgres ? [" AND day >= \(day - 1)", " AND day < \(day - 1)"] : [""]
      var found: [DumpRow] = []
      for condition in Self.conditions(filter, db.engine) {
        var left = limit
        for span in spans where left > 0 {
          let statement: SQLText = """
            SELECT * FROM dumps WHERE \(condition) AND id >= \(low) AND id < \(high)\(span)
            ORDER BY id DESC LIMIT \(left)
            """
          let rows = try db.rows(statement.plannedForItsValues)
          found += try rows.map(DumpRow.init)
          left -= rows.count
        }
      }
      return Array(found.sorted { $0.id > $1.id }.prefix(limit))
    }
  }

  /// How many dumps there are, those included that are over and not yet deleted.
  func count(_ filter: DumpFilter) async throws -> Int {
    let (number, table): (SQLText, SQLText) =
      filter.device == nil ? ("coalesce(sum(number), 0)", "dumpKinds") : ("count(*)", "dumps")
    return try await database.read { db in
      try Self.conditions(filter, db.engine).reduce(0) { sum, condition in
        let found: Int? = try db.value(
          """
          SELECT CAST(\(number) AS \(db.engine.integer)) AS value FROM \(table)
          WHERE \(condition)
          """)
        return sum + (found ?? 0)
      }
    }
  }

  /// - Parameters:
  ///   - catalogs: ids of catalogs whose dumps alone are looked at.
  ///   - now: a dump that is over by then is not there any more.
  func summary(_ id: String, in catalogs: Set<String>?, now: Date) async throws -> DumpSummary? {
    guard let row = try await row(id, now: now), catalogs?.contains(row.catalogId) ?? true else {
      return nil
    }
    return try await summaries([row]).first
  }

  /// A dump as it opened; `nil` when there is none, or not any more.
  func content(_ id: String, now: Date) async throws -> Data? {
    guard let row = try await row(id, now: now),
      let key = try await keys.keys(of: [row.slot])[row.slot]
    else { return nil }
    let sealed: Data? = try await database.read { db in
      try db.value(
        "SELECT content AS value FROM contents WHERE dumpId = \(id) AND day = \(row.day)")
    }
    return try sealed.map { try DumpVault(key: key).open($0, .content, id: id) }
  }

  private func row(_ id: String, now: Date) async throws -> DumpRow? {
    guard let time = DumpID.time(of: id, in: region), id >= lowest(now) else { return nil }
    return try await database.read { db in
      try db.row(
        "SELECT * FROM dumps WHERE id = \(id) AND day = \(RetentionPeriod.dayNumber(time))"
      ).map(DumpRow.init)
    }
  }

  /// The rows with what is encrypted of them; without those whose key was destroyed.
  func summaries(_ rows: [DumpRow]) async throws -> [DumpSummary] {
    let keys = try await keys.keys(of: Set(rows.map(\.slot)))
    return try rows.compactMap { row in
      guard let key = keys[row.slot] else { return nil }
      return try row.summary(in: region, vault: DumpVault(key: key))
    }
  }

  /// The least id that is not over.
  private func lowest(_ now: Date) -> String {
    DumpID.lowest(in: region, at: RetentionPeriod.horizon(now: milliseconds(now)))
  }

  /// What ids of this region after `cursor` are less than. The regions' lists are merged by time and
  /// then by id.
  private func upperBound(_ cursor: DumpCursor) -> String {
    let first = DumpID.lowest(in: region, at: cursor.receivedAt)
    if cursor.id.hasPrefix("\(region.storeName)-") { return cursor.id }
    return first < cursor.id ? DumpID.lowest(in: region, at: cursor.receivedAt + 1) : first
  }

  /// The dumps of one device. SQLite finds them by their keys and needs no index more for it; PostgreSQL would have to
  /// look into each partition for each of them, and has one.
  static func isOf(_ device: DeviceID, _ engine: SQLEngine) -> SQLText {
    engine == .postgres
      ? "deviceId = \(device.text)"
      : "id IN (SELECT dumpId FROM dumpKeys WHERE deviceId = \(device.text))"
  }

  /// The filter as conditions for statements of their own, each of which an index serves.
  private static func conditions(_ filter: DumpFilter, _ engine: SQLEngine) -> [SQLText] {
    var leading = filter.device.map { [isOf($0, engine)] }
    var common: [SQLText] = []
    for (column, ids) in [
      ("groupId", filter.groups), ("productId", filter.products), ("catalogId", filter.catalogs),
    ] {
      guard let ids else { continue }
      let column = SQLText(raw: column)
      if leading == nil {
        leading = ids.sorted().map { "\(column) = \($0)" }
      } else {
        // Not the column itself: an index of all of a group's dumps is not what is to be looked at.
        common.append("\(column) || '' IN \(ids.sorted().sqlList)")
      }
    }
    return (leading ?? ["1 = 1"]).map { ([$0] + common).joined(separator: " AND ") }
  }
}
