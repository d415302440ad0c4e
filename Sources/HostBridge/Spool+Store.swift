// How one dump comes in: once, or not at all.

import DumpFormat
import Foundation
import GRDB

/// A dump as it goes into the database.
struct NewDump: Sendable {
  var identity: DumpIdentity
  /// 16 hex digits.
  var fingerprint: String
  var occurrences: Int64
  var prologue: Data
  var bytes: Data
  /// The time of day, seconds since 1970: for people, nothing is decided by it.
  var storedAt: Double

  init(identity: DumpIdentity, header: DumpHeader, bytes: [UInt8], now: Date) {
    self.identity = identity
    fingerprint = header.fingerprint.hexDigits
    occurrences = Int64(header.occurrences)
    prologue = Data(bytes.prefix(DumpPrologue.size))
    self.bytes = Data(bytes)
    storedAt = now.timeIntervalSince1970
  }
}

/// Takes a transaction back: the dump at hand would be the first to go.
struct NoRoom: Error {}

extension Spool {
  /// - Throws: ``NoRoom`` when the transaction is to be taken back.
  static func store(
    _ dump: NewDump, at time: Double, _ limits: SpoolLimits, in db: Database
  ) throws -> StoreOutcome {
    let id: Int64
    if let row = try row(of: dump.identity, in: db) {
      guard isRow(row, of: dump.prologue) else { return StoreOutcome(result: .conflict) }
      guard row["state"] == State.evicted.rawValue else { return StoreOutcome(result: .stored) }
      id = row["id"]
      // Its age goes on from when it first came.
      try db.execute(
        sql: "UPDATE dump SET state = ?, note = NULL, bytes = ? WHERE id = ?",
        arguments: [State.stored.rawValue, dump.bytes, id])
    } else {
      try insert(dump, at: time, in: db)
      id = db.lastInsertedRowID
      if id % 1_024 == 0 { try forgetOldTombstones(in: db) }
    }
    let evicted = try makeRoom(for: id, size: dump.bytes.count, limits, in: db)
    return StoreOutcome(result: .stored, evicted: evicted, held: try bytesHeld(in: db))
  }

  private static func insert(_ dump: NewDump, at time: Double, in db: Database) throws {
    try db.execute(
      sql: """
        INSERT INTO dump (device, boot_count, sequence, state, fingerprint, occurrences, size,
          prologue, bytes, kept_at, stored_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        dump.identity.device, dump.identity.key.bootCount, dump.identity.key.sequence,
        State.stored.rawValue, dump.fingerprint, dump.occurrences, dump.bytes.count, dump.prologue,
        dump.bytes, time, dump.storedAt,
      ])
  }

  static func row(of identity: DumpIdentity, in db: Database) throws -> Row? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT id, state, prologue FROM dump WHERE device = ? AND boot_count = ? AND sequence = ?
        """,
      arguments: [identity.device, identity.key.bootCount, identity.key.sequence])
  }

  /// Bytes of all dumps that are here. Answered by an index alone.
  static func bytesHeld(in db: Database) throws -> Int {
    try Int.fetchOne(db, sql: "SELECT CAST(total(size) AS INTEGER) FROM dump WHERE \(isHeld)") ?? 0
  }

  static func forgetOldTombstones(in db: Database) throws {
    try db.execute(
      sql: """
        DELETE FROM dump WHERE NOT (\(isHeld)) AND id <= (
          SELECT id FROM dump WHERE NOT (\(isHeld)) ORDER BY id DESC LIMIT 1 OFFSET ?)
        """,
      arguments: [tombstoneLimit])
  }
}
