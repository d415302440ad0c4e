// The keys that dumps of one region are encrypted under, in a database of their own.

import Crypto
import Foundation
import SQLStorage
import Synchronization

/// One key per ``RetentionSlot``, wrapped under the master key.
///
/// The database holds nothing else and is not part of a store's backup. So what is destroyed here is
/// destroyed everywhere: a copy of the store that was made before opens nothing of it.
final class RetentionKeys: Sendable {
  private struct Newest {
    var minute: Int64 = 0
    var keys: [String: SymmetricKey] = [:]
  }

  let database: any SQLDatabase
  private let secrets: SecretTable
  /// Keys of the newest minute alone: those are needed again and again, and none is near its end.
  private let newest = Mutex(Newest())
  /// What a destroyed key leaves in a file goes when the file is written anew: with a file for each day that
  /// takes little.
  let partitions = DayPartitions(of: ["retentionKeys"]) { day in
    let minutes = RetentionSlot.minutesOfDay
    return SQLText(raw: "FROM (\(day * minutes)) TO (\((day + 1) * minutes))")
  }

  /// - Parameter store: the region's name.
  /// - Throws: ``SecretUnreadable`` when the database belongs to another master key.
  init(_ database: any SQLDatabase, masterKey: MasterKey, store: String) async throws {
    let secrets = SecretTable(masterKey: masterKey, store: "\(store)-keys")
    self.database = database
    self.secrets = secrets
    var migrations = SQLMigrations()
    migrations.add("retention keys") { db in
      try SecretTable.make(db)
      try db.script(
        """
        CREATE TABLE retentionKeys (
          groupId \(db.engine.text) NOT NULL,
          minute \(db.engine.integer) NOT NULL,
          wrapped \(db.engine.blob) NOT NULL,
          PRIMARY KEY (groupId, minute)
        ) \(db.engine == .postgres ? "PARTITION BY RANGE (minute)" : db.engine.strictKeyed);
        CREATE INDEX retentionKeysByMinute ON retentionKeys (minute)
        """)
    }
    try await migrations.apply(to: database)
    try await database.write { try secrets.claim($0) }
  }

  /// The key of a slot, made when it is missing. It is on disk when the call returns.
  func key(for slot: RetentionSlot) async throws -> SymmetricKey {
    let known = newest.withLock { $0.minute == slot.minute ? $0.keys[slot.group] : nil }
    if let known { return known }
    let key = try await partitions.having([slot.day], in: database) { try await make(slot) }
    newest.withLock { newest in
      if newest.minute != slot.minute { newest = Newest(minute: slot.minute) }
      newest.keys[slot.group] = key
    }
    return key
  }

  /// Makes the key of a slot, unless there is one.
  private func make(_ slot: RetentionSlot) async throws -> SymmetricKey {
    try await database.write { [secrets] db in
      if let found = try Self.key(db, slot, secrets) { return found }
      let made = SymmetricKey(size: .bits256)
      let wrapped = try secrets.wrap(made.withUnsafeBytes { Data($0) }, name: Self.name(slot))
      try db.run(Self.insert(wrapped, of: slot))
      // Another process may have been quicker.
      guard let stored = try Self.key(db, slot, secrets) else {
        throw SecretUnreadable(name: Self.name(slot))
      }
      return stored
    }
  }

  /// The keys of the slots that have one still.
  func keys(of slots: Set<RetentionSlot>) async throws -> [RetentionSlot: SymmetricKey] {
    let minutes = slots.map(\.minute)
    guard let first = minutes.min(), let last = minutes.max() else { return [:] }
    return try await database.look { [secrets] db in
      let asked: [[any SQLConvertible]] = slots.map { [$0.group, $0.minute] }
      let rows = try db.rows(asking: asked, of: ["TEXT", db.engine.integer]) { asked in
        let statement: SQLText = """
          WITH asked (owner, at) AS (VALUES \(asked))
          SELECT groupId, minute, wrapped FROM asked
          CROSS JOIN retentionKeys WHERE groupId = owner AND minute = at
          AND minute >= \(first) AND minute <= \(last)
          """
        return statement.plannedForItsValues
      }
      var found: [RetentionSlot: SymmetricKey] = [:]
      for row in rows {
        let slot = RetentionSlot(group: try row["groupId"], minute: try row["minute"])
        found[slot] = try Self.key(try row["wrapped"], slot, secrets)
      }
      return found
    }
  }

  /// Destroys keys, for good.
  /// - Parameters:
  ///   - minute: those of earlier minutes go.
  ///   - group: of that device group alone; of all of them when `nil`.
  /// - Returns: how many there were.
  func destroy(before minute: Int64, group: String? = nil) async throws -> Int {
    newest.withLock { $0 = Newest() }
    let over = Self.over(before: minute, group)
    let (destroyed, days) = try await database.write { db in
      let days = try db.rows(
        "SELECT DISTINCT minute / \(RetentionSlot.minutesOfDay) AS day FROM retentionKeys WHERE \(over)"
      ).map { try $0["day"] as Int64 }
      return (try db.run("DELETE FROM retentionKeys WHERE \(over)"), days)
    }
    try await erase(days, before: group == nil ? minute : nil)
    return destroyed
  }

  /// Leaves nothing in files of keys that were destroyed.
  /// - Parameters:
  ///   - days: from which some went.
  ///   - minute: before which all went, if so.
  private func erase(_ days: [Int64], before minute: Int64?) async throws {
    guard database.engine == .postgres else {
      if !days.isEmpty { try await database.eraseDeleted("retentionKeys") }
      return
    }
    var left = days
    if let minute {
      let first = RetentionSlot.day(of: minute)
      for day in try await partitions.days(before: first, in: database) {
        try await database.write(lock: "partitions") { [partitions] db in
          try partitions.drop(day, db)
        }
      }
      left = days.filter { $0 >= first }
    }
    for day in left {
      try await database.eraseDeleted(DayPartitions.name("retentionKeys", day))
    }
  }

  /// How many keys there are of minutes before this one.
  func count(before minute: Int64, group: String? = nil) async throws -> Int {
    let over = Self.over(before: minute, group)
    return try await database.read { db in
      try db.value("SELECT count(*) AS value FROM retentionKeys WHERE \(over)") ?? 0
    }
  }

  func close() async throws { try await database.close() }

  /// Whether a key is one of this database and master key.
  /// - Throws: ``SecretUnreadable`` when it is not.
  func check(_ wrapped: Data, of slot: RetentionSlot) throws {
    _ = try secrets.unwrap(wrapped, name: Self.name(slot))
  }

  /// Keeps a key, unless its slot has one.
  static func insert(_ wrapped: Data, of slot: RetentionSlot) -> SQLText {
    """
    INSERT INTO retentionKeys (groupId, minute, wrapped)
    VALUES (\(slot.group), \(slot.minute), \(wrapped)) ON CONFLICT DO NOTHING
    """
  }

  private static func over(before minute: Int64, _ group: String?) -> SQLText {
    "minute < \(minute)" + (group.map { " AND groupId = \($0)" } ?? "")
  }

  private static func key(_ db: any SQLConnection, _ slot: RetentionSlot, _ secrets: SecretTable)
    throws -> SymmetricKey?
  {
    let wrapped: Data? = try db.value(
      """
      SELECT wrapped AS value FROM retentionKeys
      WHERE groupId = \(slot.group) AND minute = \(slot.minute)
      """)
    return try wrapped.map { try key($0, slot, secrets) }
  }

  private static func key(_ wrapped: Data, _ slot: RetentionSlot, _ secrets: SecretTable) throws
    -> SymmetricKey
  {
    SymmetricKey(data: try secrets.unwrap(wrapped, name: name(slot)))
  }

  private static func name(_ slot: RetentionSlot) -> String {
    "retention/\(slot.group)/\(slot.minute)"
  }
}
