// Which dumps were offered and not taken.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI

extension DumpStore {
  /// Makes the table, with what an earlier one told.
  ///
  /// It has the most rows of all for the least that anyone asks of them. So they are short, are in one tree
  /// alone, and those that are over lie together.
  static func makeSkips(_ db: any SQLConnection) throws {
    let (blob, integer) = (db.engine.blob, db.engine.integer)
    try db.script(
      """
      CREATE TABLE skips (
        day \(integer) NOT NULL,
        device \(blob) NOT NULL,
        bootCount \(integer) NOT NULL,
        sequence \(integer) NOT NULL,
        fingerprint \(db.engine.text) NOT NULL,
        PRIMARY KEY (day, device, bootCount, sequence)
      ) \(db.engine.strictKeyed)
      """)
    var last: (device: String, bootCount: Int64, sequence: Int64) = ("", 0, 0)
    while case let rows = try db.rows(
      """
      SELECT * FROM skippedDumps
      WHERE (deviceId, bootCount, sequence) > (\(last.device), \(last.bootCount), \(last.sequence))
      ORDER BY deviceId, bootCount, sequence LIMIT 512
      """), let end = rows.last
    {
      let skips = try rows.compactMap { row -> [SQLValue]? in
        guard let device = DeviceID(try row["deviceId"] as String) else { return nil }
        return skip(
          device, DumpKey(bootCount: try row["bootCount"], sequence: try row["sequence"]),
          try row["fingerprint"], day: RetentionPeriod.dayNumber(try row["skippedAt"]))
      }
      try db.store([skipInsert(skips)])
      last = (try end["deviceId"], try end["bootCount"], try end["sequence"])
    }
    try db.script("DROP TABLE skippedDumps")
  }

  /// Writes down which offered dumps were not taken; milliseconds since 1970.
  static func skip(_ offers: [OfferedDump], now: Int64) -> SQLRows {
    let day = RetentionPeriod.dayNumber(now)
    return skipInsert(offers.map { skip($0.placement.device, $0.key, $0.fingerprint, day: day) })
  }

  private static let skipInsert = SQLInsert(
    into: "skips", ["day", "device", "bootCount", "sequence", "fingerprint"],
    "ON CONFLICT DO NOTHING")

  private static func skip(_ device: DeviceID, _ key: DumpKey, _ fingerprint: String, day: Int64)
    -> [SQLValue]
  {
    [
      .integer(day), .blob(skipName(device)), key.bootCount.sqlValue, key.sequence.sqlValue,
      .text(fingerprint),
    ]
  }

  /// How many dumps of a device were not taken in the last 29 days, by fingerprint.
  func skipped(of device: DeviceID, now: Date) async throws -> [String: Int] {
    let time = milliseconds(now)
    let today = RetentionPeriod.dayNumber(time)
    let first = RetentionPeriod.dayNumber(
      RetentionPeriod.horizon(days: RetentionPeriod.mostDays, now: time))
    return try await database.read { db in
      // One that was offered again is there on each of those days.
      let rows = try db.rows(
        """
        SELECT fingerprint, count(*) AS number FROM (
          SELECT DISTINCT bootCount, sequence, fingerprint FROM skips
          WHERE day IN \((first...max(first, today)).sqlList)
          AND device = \(Self.skipName(device))) AS skipped
        GROUP BY fingerprint
        """)
      return Dictionary(
        try rows.map { (try $0["fingerprint"] as String, try $0["number"] as Int) },
        uniquingKeysWith: +)
    }
  }

  /// The device as the table has it: 16 bytes of its id's SHA-256, a quarter of the id.
  private static func skipName(_ device: DeviceID) -> Data {
    Data(SHA256.hash(data: Data(device.text.utf8)).prefix(16))
  }
}
