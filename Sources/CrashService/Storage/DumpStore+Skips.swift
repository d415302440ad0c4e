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

  /// Makes the table where SQLite has those that were skipped last, in the order in which they came.
  ///
  /// Devices offer in no order: of a hundred skips, each would change another page of the tree of all, and each
  /// page goes to the disk twice. So many are brought there together, and one after the other in its order.
  static func makeNewSkips(_ db: any SQLConnection) throws {
    guard db.engine == .sqlite else { return }
    try db.script(
      """
      CREATE TABLE newSkips (
        number INTEGER NOT NULL PRIMARY KEY,
        day INTEGER NOT NULL,
        device BLOB NOT NULL,
        bootCount INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        fingerprint TEXT NOT NULL
      ) \(db.engine.strict)
      """)
  }

  /// Where skips lie.
  private static func skipTables(_ engine: SQLEngine) -> [SQLText] {
    engine == .sqlite ? ["skips", "newSkips"] : ["skips"]
  }

  /// Writes down which offered dumps were not taken; milliseconds since 1970.
  static func skip(_ db: any SQLConnection, _ offers: [OfferedDump], now: Int64) throws {
    guard !offers.isEmpty else { return }
    let day = RetentionPeriod.dayNumber(now)
    let insert = db.engine == .sqlite ? newSkipInsert : skipInsert
    try db.store([
      insert(offers.map { skip($0.placement.device, $0.key, $0.fingerprint, day: day) })
    ])
    try settleSkips(db)
  }

  /// Brings the new skips to the others when there are that many.
  static func settleSkips(_ db: any SQLConnection, above most: Int = 16_384) throws {
    guard db.engine == .sqlite else { return }
    let extent: Int? = try db.value(
      """
      SELECT (SELECT max(number) FROM newSkips) - (SELECT min(number) FROM newSkips) AS value
      """)
    guard let extent, extent >= most else { return }
    try db.script(
      """
      INSERT INTO skips (day, device, bootCount, sequence, fingerprint)
      SELECT day, device, bootCount, sequence, fingerprint FROM newSkips WHERE true
      ORDER BY day, device, bootCount, sequence, number
      ON CONFLICT DO NOTHING;
      DELETE FROM newSkips
      """)
  }

  /// Forgets what was skipped before a day.
  static func forgetSkips(_ db: any SQLConnection, before day: Int64) throws {
    for table in skipTables(db.engine) { try db.run("DELETE FROM \(table) WHERE day < \(day)") }
  }

  private static let skipColumns = ["day", "device", "bootCount", "sequence", "fingerprint"]
  private static let skipInsert = SQLInsert(into: "skips", skipColumns, "ON CONFLICT DO NOTHING")
  private static let newSkipInsert = SQLInsert(into: "newSkips", skipColumns)

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
      let all = Self.skipTables(db.engine).map { table -> SQLText in
        """
        SELECT bootCount, sequence, fingerprint FROM \(table)
        WHERE day IN \((first...max(first, today)).sqlList) AND device = \(Self.skipName(device))
        """
      }.joined(separator: " UNION ALL ")
      // One that was offered again is there more than once.
      let rows = try db.rows(
        """
        SELECT fingerprint, count(*) AS number FROM (
          SELECT min(fingerprint) AS fingerprint FROM (\(all)) AS offered
          GROUP BY bootCount, sequence) AS skipped
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
