// Crash counts in the spool: the latest of each name, until the service has it.

import DumpFormat
import GRDB
import LinkProtocol
import ServiceAPI

/// A crash count as the spool keeps it: the service's own words for it.
public typealias SpooledCount = CountRequest.Count

extension CountRequest.Count {
  /// A count as the board said it.
  init(_ count: CrashCount) {
    func known(_ uptime: UInt32) -> UInt32? {
      uptime == CrashCount.unknownUptime ? nil : uptime
    }
    self.init(
      fingerprint: count.fingerprint.hexDigits, firstBoot: count.firstBoot,
      firstUptimeSeconds: known(count.firstUptime), lastBoot: count.lastBoot,
      lastUptimeSeconds: known(count.lastUptime), count: count.count)
  }
}

extension Spool {
  /// The most counts that are kept of one device, and in all. Beyond them those go first that the
  /// service has, then the oldest.
  static let countLimit = (device: 1_024, all: 65_536)

  /// Keeps counts of a device durably. A count that is not above the one kept changes nothing.
  /// Returns those that were new.
  public func keep(
    _ counts: [SpooledCount], of device: String
  ) async throws(HostBridgeError) -> [SpooledCount] {
    try await access { queue in
      try await queue.write { db in
        var news: [SpooledCount] = []
        for count in counts {
          try db.execute(
            sql: """
              INSERT INTO crash_count (device, fingerprint, first_boot, first_uptime, last_boot,
                last_uptime, count) VALUES (?, ?, ?, ?, ?, ?, ?)
              ON CONFLICT DO UPDATE SET last_boot = excluded.last_boot,
                last_uptime = excluded.last_uptime, count = excluded.count
              WHERE excluded.count > count
              """,
            arguments: [
              device, count.fingerprint, count.firstBoot, count.firstUptimeSeconds,
              count.lastBoot, count.lastUptimeSeconds, count.count,
            ])
          if db.changesCount > 0 { news.append(count) }
        }
        try Self.forgetSurplus("device = ?", [device], beyond: Self.countLimit.device, in: db)
        try Self.forgetSurplus("true", [], beyond: Self.countLimit.all, in: db)
        return news
      }
    }
  }

  /// The devices that have counts waiting.
  public func devicesCounted() async throws(HostBridgeError) -> [String] {
    try await access { queue in
      try await queue.read { db in
        try String.fetchAll(
          db, sql: "SELECT DISTINCT device FROM crash_count WHERE sent < count ORDER BY device")
      }
    }
  }

  /// Counts of one device that the service has not got, oldest first.
  public func countsWaiting(
    of device: String, limit: Int
  ) async throws(HostBridgeError) -> [SpooledCount] {
    try await access { queue in
      try await queue.read { db in
        try Row.fetchAll(
          db,
          sql: "SELECT * FROM crash_count WHERE sent < count AND device = ? ORDER BY id LIMIT ?",
          arguments: [device, limit]
        ).map { row in
          SpooledCount(
            fingerprint: row["fingerprint"], firstBoot: row["first_boot"],
            firstUptimeSeconds: row["first_uptime"], lastBoot: row["last_boot"],
            lastUptimeSeconds: row["last_uptime"], count: row["count"])
        }
      }
    }
  }

  /// The service has these counts, or will never take them. One that grew meanwhile still waits.
  public func settle(_ counts: [SpooledCount], of device: String) async throws(HostBridgeError) {
    try await access(freesBytes: true) { queue in
      try await queue.write { db in
        for count in counts {
          try db.execute(
            sql: """
              UPDATE crash_count SET sent = max(sent, ?)
              WHERE device = ? AND fingerprint = ? AND first_boot = ?
              """,
            arguments: [count.count, device, count.fingerprint, count.firstBoot])
        }
      }
    }
  }

  /// Deletes the counts of a device: there is no consent for them.
  public func purgeCounts(of device: String) async throws(HostBridgeError) {
    let count = try await access(freesBytes: true) { queue in
      try await queue.write { try Self.forgetCounts(of: device, in: $0) }
    }
    if count > 0 { hasResidue.store(true, ordering: .relaxed) }
    try await sweep()
  }

  static func forgetCounts(of device: String, in db: Database) throws -> Int {
    try db.execute(sql: "DELETE FROM crash_count WHERE device = ?", arguments: [device])
    return db.changesCount
  }

  private static func forgetSurplus(
    _ condition: String, _ arguments: StatementArguments, beyond limit: Int, in db: Database
  ) throws {
    let count =
      try Int.fetchOne(
        db, sql: "SELECT count(*) FROM crash_count WHERE \(condition)", arguments: arguments) ?? 0
    guard count > limit else { return }
    try db.execute(
      sql: """
        DELETE FROM crash_count WHERE id IN (
          SELECT id FROM crash_count WHERE \(condition) ORDER BY sent < count, id LIMIT ?)
        """,
      arguments: arguments + [count - limit])
  }
}
