// Growing old: the spool's time, what expires by it, and what is put in order from time to time.

import DumpFormat
import Foundation
import GRDB

extension Spool {
  /// The spool's time, seconds (``SpoolTimeline``).
  func now() -> Double {
    let (wall, uptime) = (clock.wall().timeIntervalSince1970, clock.uptime() / .seconds(1))
    return timeline.withLock { $0?.read(wall: wall, uptime: uptime) } ?? 0
  }

  /// Puts the spool in order: dumps beyond the age limit go, old rows without bytes are forgotten,
  /// the log is emptied of bytes that are gone, room on the disk is put by, and the time is saved. A
  /// disk that was full or read-only is tried again.
  ///
  /// Called every minute or so by ``SpoolKeeper``.
  public func tidy() async throws(HostBridgeError) {
    if condition.isTrouble { try await makeSureOfDisk() }
    let time = now()
    let oldest = time - limits.age / .seconds(1)
    let saved = timeline.withLock { $0?.saved }
    let (expired, held): ([RemovedDump], Int) = try await access(freesBytes: true) { queue in
      // A write costs the disk something: not every minute for ever.
      let isDue = try await queue.read { db in
        try Self.expired(before: oldest, in: db).isEmpty == false
          || Self.savedTime(in: db).map { time - $0.time >= Self.saveInterval } ?? true
      }
      guard isDue else {
        return ([], try await queue.read { try Self.bytesHeld(in: $0) })
      }
      return try await queue.write { db in
        try saved.map { try Self.save($0, in: db) }
        let expired = try Self.expired(before: oldest, in: db)
        for row in expired {
          try Self.remove(row["id"], as: .expired, because: Self.expiryWords, in: db)
        }
        try Self.forgetOldTombstones(in: db)
        return (
          expired.map { RemovedDump($0, reason: Self.expiryWords) }, try Self.bytesHeld(in: db)
        )
      }
    }
    health.withLock { $0.holds(held, now: clock.wall()) }
    tell(.dumpExpired, expired)
    if !expired.isEmpty { hasResidue.store(true, ordering: .relaxed) }
    try await sweep()
    try await holdReserve()
  }

  /// What the spool holds, and how it is.
  public func report() async throws(HostBridgeError) -> SpoolReport {
    let time = now()
    let held: Held = try await access { queue in
      try await queue.read { db in
        let row = try Row.fetchOne(
          db,
          sql: """
            SELECT count(*) FILTER (WHERE state = \(State.stored.rawValue)) AS waiting,
              count(*) AS dumps, CAST(total(size) AS INTEGER) AS bytes, min(kept_at) AS oldest
            FROM dump WHERE \(Self.isHeld)
            """)
        return row.map { Held($0) } ?? Held()
      }
    }
    return SpoolReport(
      condition: condition, waiting: held.waiting, rejected: held.dumps - held.waiting,
      bytes: held.bytes, byteLimit: byteLimit,
      oldestAgeSeconds: held.oldest.map { max(0, time - $0) },
      ageLimitSeconds: limits.age / .seconds(1))
  }

  private struct Held: Sendable {
    var waiting = 0
    var dumps = 0
    var bytes = 0
    var oldest: Double?

    init() {}
    init(_ row: Row) {
      waiting = row["waiting"]
      dumps = row["dumps"]
      bytes = row["bytes"]
      oldest = row["oldest"]
    }
  }

  /// Seconds after which the time is written down anew.
  private static let saveInterval = 3_600.0
  private static let expiryWords = "it was kept for as long as crash data may be"

  private static func expired(before time: Double, in db: Database) throws -> [Row] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT id, device, fingerprint, boot_count, sequence, size FROM dump
        WHERE \(isHeld) AND kept_at <= ? ORDER BY id
        """,
      arguments: [time])
  }

  static func savedTime(in db: Database) throws -> SpoolTimeline.Saved? {
    try Row.fetchOne(db, sql: "SELECT time, wall FROM spool_time").map {
      SpoolTimeline.Saved(time: $0["time"], wall: $0["wall"])
    }
  }

  static func save(_ saved: SpoolTimeline.Saved, in db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO spool_time (id, time, wall) VALUES (1, ?, ?)",
      arguments: [saved.time, saved.wall])
  }
}
