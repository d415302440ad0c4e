// How a batch of dumps gets into a region's database.

import Foundation
import SQLStorage

extension DumpStore {
  /// Stores dumps in one transaction.
  /// - Returns: what became of each, in their order.
  static func store(
    _ rows: [DumpRow], in database: any SQLDatabase, partitions: DayPartitions
  ) async throws -> [StoreOutcome] {
    try await partitions.having(Set(rows.map(\.day)), in: database) {
      try await store(rows, in: database)
    }
  }

  private static func store(_ rows: [DumpRow], in database: any SQLDatabase) async throws
    -> [StoreOutcome]
  {
    // In one order everywhere, so that two processes never wait for each other.
    let ordered = rows.sorted { $0.name < $1.name }
    return try await database.write { db in
      let new = try db.rows(storing: ordered.keys)
      let isNew = Set(try new.map { try $0["dumpId"] as String })
      let outcomes = try rows.map { row -> StoreOutcome in
        if isNew.contains(row.id) { return .stored(id: row.id) }
        guard let stored = try find(db, row.key, device: row.deviceId) else {
          throw SQLFailure(code: .busy, message: "a dump was deleted while it was sent again")
        }
        return stored.digest == row.digest ? .present(id: stored.id) : .conflict
      }
      try db.store(ordered.filter { isNew.contains($0.id) }.rows)
      return outcomes
    }
  }
}

/// The dumps of one fingerprint that a device group got on one day.
struct DumpKind: Hashable, Comparable {
  var group: String
  var catalog: String
  var product: String
  var fingerprint: String
  var buildID: String
  var day: Int64

  static func < (first: DumpKind, second: DumpKind) -> Bool {
    (first.group, first.fingerprint, first.day) < (second.group, second.fingerprint, second.day)
  }

  /// Adds to what is counted.
  static let insert = SQLInsert(
    into: "dumpKinds",
    ["groupId", "fingerprint", "day", "catalogId", "productId", "buildId", "number"],
    """
    ON CONFLICT (groupId, fingerprint, day)
    DO UPDATE SET number = dumpKinds.number + excluded.number
    """)

  /// A row for ``insert``.
  func values(adding number: Int) -> [SQLValue] {
    [
      .text(group), .text(fingerprint), .integer(day), .text(catalog), .text(product),
      .text(buildID), number.sqlValue,
    ]
  }
}
