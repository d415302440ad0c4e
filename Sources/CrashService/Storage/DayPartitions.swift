// Tables of PostgreSQL that have a partition for each day, so that a day's rows go at once.

import SQLStorage
import Synchronization

/// The partitions of some tables of one database; on SQLite there are none, and nothing is done.
///
/// They are made when the first row of a day comes, by whichever process gets it.
final class DayPartitions: Sendable {
  private let tables: [String]
  private let bounds: @Sendable (Int64) -> SQLText
  private let known = Mutex<Set<Int64>>([])

  /// - Parameters:
  ///   - tables: that are partitioned in the same way.
  ///   - bounds: which rows a day's partition has, as behind `FOR VALUES`.
  init(of tables: [String], bounds: @escaping @Sendable (Int64) -> SQLText) {
    self.tables = tables
    self.bounds = bounds
  }

  /// Runs `body` when the days have their partitions.
  func having<Value: Sendable>(
    _ days: Set<Int64>, in database: any SQLDatabase, _ body: () async throws -> Value
  ) async throws -> Value {
    guard database.engine == .postgres else { return try await body() }
    try await make(days, in: database)
    do {
      return try await body()
    } catch let failure as SQLFailure where failure.code == .constraint {
      // Dropped since they were seen, by a process whose clock is ahead.
      known.withLock { $0.subtract(days) }
      try await make(days, in: database)
      return try await body()
    }
  }

  /// Makes the partitions of a day. Whoever reads or writes the table of all days, such as pg_dump while a
  /// backup is made, is in nobody's way: a table that is attached takes a weaker lock than one that is
  /// made as a partition.
  private func make(_ days: Set<Int64>, in database: any SQLDatabase) async throws {
    for day in days.subtracting(known.withLock { $0 }).sorted() {
      try await database.write(lock: "partitions") { [tables, bounds] db in
        for table in tables {
          let name = Self.name(table, day)
          let there: Bool? = try db.value("SELECT to_regclass(\(name)) IS NOT NULL AS value")
          guard there == false else { continue }
          let words = SQLText(raw: "CREATE TABLE \(name) (LIKE \(table) INCLUDING ALL); ")
          let attach = SQLText(raw: "ALTER TABLE \(table) ATTACH PARTITION \(name) FOR VALUES ")
          try db.script(words + attach + bounds(day))
        }
      }
      known.withLock { _ = $0.insert(day) }
    }
  }

  /// The days before `end` that have partitions.
  func days(before end: Int64, in database: any SQLDatabase) async throws -> [Int64] {
    guard database.engine == .postgres, let table = tables.first else { return [] }
    let names = try await database.rows(
      """
      SELECT relname::text AS name FROM pg_catalog.pg_inherits
      JOIN pg_catalog.pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = CAST(\(table) AS REGCLASS) ORDER BY name
      """
    ).map { try $0["name"] as String }
    return names.compactMap { $0.split(separator: "_").last.flatMap { Int64($0) } }
      .filter { $0 < end }
  }

  /// Drops a day's partitions with all that is in them.
  func drop(_ day: Int64, _ db: any SQLConnection) throws {
    for table in tables {
      try db.script(SQLText(raw: "DROP TABLE IF EXISTS \(Self.name(table, day))"))
    }
    known.withLock { _ = $0.remove(day) }
  }

  static func name(_ table: String, _ day: Int64) -> String { "\(table)_day_\(day)" }
}
