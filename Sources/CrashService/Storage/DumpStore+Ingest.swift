// How a batch of dumps gets into a region's database.

import Foundation
import SQLStorage
import Synchronization

/// Days whose partitions are known to be there.
final class KnownDays: Sendable {
  private let days = Mutex<Set<Int64>>([])

  func contains(_ day: Int64) -> Bool { days.withLock { $0.contains(day) } }
  func insert(_ day: Int64) { days.withLock { _ = $0.insert(day) } }
  func remove(_ day: Int64) { days.withLock { _ = $0.remove(day) } }
}

extension DumpStore {
  /// Stores dumps in one transaction.
  /// - Returns: what became of each, in their order.
  static func store(
    _ rows: [DumpRow], in database: any SQLDatabase, region: Region, days: KnownDays
  ) async throws -> [StoreOutcome] {
    if database.engine == .postgres {
      for day in Set(rows.map(\.day)) where !days.contains(day) {
        try await makePartitions(of: day, in: database)
        days.insert(day)
      }
    }
    // In one order everywhere, so that two processes never wait for each other.
    let order = rows.indices.sorted { rows[$0].name < rows[$1].name }
    let outcomes = try await database.write { db in
      let isNew = try db.runAll(order.map { rows[$0].keyInsert }).map { $0 == 1 }
      var outcomes = [StoreOutcome](repeating: .conflict, count: rows.count)
      var statements: [SQLText] = []
      var kinds: [DumpKind: Int] = [:]
      for (index, isNew) in zip(order, isNew) {
        let row = rows[index]
        if isNew {
          outcomes[index] = .stored(id: row.id)
          statements += row.inserts
          kinds[row.kindOfDay, default: 0] += 1
        } else if let stored = try find(db, row.key, device: row.deviceId) {
          outcomes[index] = stored.digest == row.digest ? .present(id: stored.id) : .conflict
        } else {
          throw SQLFailure(code: .busy, message: "a dump was deleted while it was sent again")
        }
      }
      statements += kinds.sorted { $0.key < $1.key }.map { $0.key.adding($0.value) }
      _ = try db.runAll(statements)
      return outcomes
    }
    return outcomes
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

  /// Counts as many more.
  func adding(_ number: Int) -> SQLText {
    """
    INSERT INTO dumpKinds (groupId, fingerprint, day, catalogId, productId, buildId, number)
    VALUES (\(group), \(fingerprint), \(day), \(catalog), \(product), \(buildID), \(number))
    ON CONFLICT (groupId, fingerprint, day)
    DO UPDATE SET number = dumpKinds.number + excluded.number
    """
  }
}
