// What one region knows of offers: which dumps are there, promised, or were not taken.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI

/// A dump as it was offered, by a device whose owner consents to it.
struct OfferedDump: Equatable, Sendable {
  var placement: Placement
  var key: DumpKey
  /// 16 hex digits.
  var fingerprint: String
}

/// How many dumps of one fingerprint there are: of the device, of its group and of its catalog.
struct DumpNumbers: Equatable, Sendable {
  var device = 0
  var group = 0
  var fleet = 0

  static func + (first: DumpNumbers, second: DumpNumbers) -> DumpNumbers {
    DumpNumbers(
      device: first.device + second.device, group: first.group + second.group,
      fleet: first.fleet + second.fleet)
  }
}

extension DumpStore {
  static func makeOffers(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE promises (
        groupId \(engine.text) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        deviceId \(engine.text) NOT NULL,
        bootCount \(engine.integer) NOT NULL,
        sequence \(engine.integer) NOT NULL,
        catalogId \(engine.text) NOT NULL,
        ends \(engine.integer) NOT NULL,
        PRIMARY KEY (groupId, fingerprint, deviceId, bootCount, sequence)
      ) \(engine.strictKeyed);
      CREATE INDEX promisesByCatalog ON promises (catalogId, fingerprint);
      CREATE INDEX promisesByEnd ON promises (ends);
      -- The largest number of rows for the least that anyone asks of them: short, in one tree alone, and
      -- those that are over lie together.
      CREATE TABLE skippedDumps (
        day \(engine.integer) NOT NULL,
        device \(engine.blob) NOT NULL,
        bootCount \(engine.integer) NOT NULL,
        sequence \(engine.integer) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        PRIMARY KEY (day, device, bootCount, sequence)
      ) \(engine.strictKeyed)
      """)
  }

  /// Which of the offered dumps are stored.
  static func stored(_ db: any SQLConnection, of offers: [OfferedDump]) throws
    -> Set<Promises.Name>
  {
    let integer = db.engine.integer
    let asked: [[any SQLConvertible]] = offers.map {
      [$0.placement.device.text, $0.key.bootCount, $0.key.sequence]
    }
    let rows = try db.rows(asking: asked, of: ["TEXT", integer, integer]) { asked in
      """
      WITH asked (device, boot, number) AS (VALUES \(asked))
      SELECT deviceId, bootCount, sequence FROM asked
      CROSS JOIN dumpKeys WHERE deviceId = device AND bootCount = boot AND sequence = number
      """
    }
    return Set(try rows.compactMap(Promises.Name.init))
  }

  /// How many dumps there are of the kinds of offered ones.
  /// - Parameter limits: what they do not ask for is not counted.
  static func numbers(_ db: any SQLConnection, of offers: [OfferedDump], limits: ServiceLimits)
    throws -> [DumpNumbers]
  {
    let groups = try numbers(db, .group, Set(offers.map(\.kindOfGroup)))
    let fleets =
      limits.dumpsPerFleet > 0 ? try numbers(db, .fleet, Set(offers.map(\.kindOfFleet))) : [:]
    return try offers.map { offer in
      let ofGroup = groups[offer.kindOfGroup] ?? 0
      // A device has none of what its group has none of, and when the group has enough it is not asked.
      let isDeviceAsked =
        limits.dumpsPerDevice > 0 && ofGroup > 0
        && (limits.dumpsPerGroup == 0 || ofGroup < limits.dumpsPerGroup)
      return DumpNumbers(
        device: isDeviceAsked ? try number(db, ofDevice: offer) : 0, group: ofGroup,
        fleet: fleets[offer.kindOfFleet] ?? 0)
    }
  }

  private static func number(_ db: any SQLConnection, ofDevice offer: OfferedDump) throws -> Int {
    try db.value(
      """
      SELECT count(*) AS value FROM dumps WHERE fingerprint = \(offer.fingerprint)
      AND \(isOf(offer.placement.device, db.engine))
      """) ?? 0
  }

  /// How many dumps there are of each kind.
  private static func numbers(
    _ db: any SQLConnection, _ owner: DumpKindName.Owner, _ kinds: Set<DumpKindName>
  ) throws -> [DumpKindName: Int] {
    let rows = try db.rows(asking: kinds.asked, of: ["TEXT", "TEXT"]) { asked in
      """
      WITH asked (owner, kind) AS (VALUES \(asked))
      SELECT owner, kind, CAST(sum(number) AS \(db.engine.integer)) AS number FROM asked
      CROSS JOIN dumpKinds WHERE \(owner.column) = owner AND fingerprint = kind
      GROUP BY owner, kind
      """
    }
    return Dictionary(
      try rows.map { (try DumpKindName($0), try $0["number"] as Int) }, uniquingKeysWith: +)
  }

  /// How many dumps of each fingerprint a device group has.
  /// - Parameter buildID: counts those of one image alone, 40 hex digits.
  func stored(inGroup groupID: String, buildID: String) async throws -> [String: Int] {
    try await database.read { db in
      let rows = try db.rows(
        """
        SELECT fingerprint, CAST(sum(number) AS \(db.engine.integer)) AS number FROM dumpKinds
        WHERE groupId = \(groupID) AND buildId = \(buildID) GROUP BY fingerprint
        """)
      return Dictionary(
        try rows.map { (try $0["fingerprint"] as String, try $0["number"] as Int) },
        uniquingKeysWith: +)
    }
  }

  /// Writes down which offered dumps were not taken; milliseconds since 1970.
  static func skip(_ offers: [OfferedDump], now: Int64) -> [SQLText] {
    let day = RetentionPeriod.dayNumber(now)
    return offers.map { offer in
      SQLText(
        """
        (\(day), \(skipName(offer.placement.device)), \(offer.key.bootCount),
          \(offer.key.sequence), \(offer.fingerprint))
        """)
    }.inStatements.map { rows in
      """
      INSERT INTO skippedDumps (day, device, bootCount, sequence, fingerprint)
      VALUES \(rows) ON CONFLICT DO NOTHING
      """
    }
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
          SELECT DISTINCT bootCount, sequence, fingerprint FROM skippedDumps
          WHERE day IN \((first...max(first, today)).sqlList)
          AND device = \(Self.skipName(device))) AS skipped
        GROUP BY fingerprint
        """)
      return Dictionary(
        try rows.map { (try $0["fingerprint"] as String, try $0["number"] as Int) },
        uniquingKeysWith: +)
    }
  }

  /// The device as the table of skipped dumps has it: 16 bytes of its id's SHA-256, a quarter of the id.
  private static func skipName(_ device: DeviceID) -> Data {
    Data(SHA256.hash(data: Data(device.text.utf8)).prefix(16))
  }

  /// Forgets promises that are over, and what was skipped long ago; milliseconds since 1970.
  func forgetOffers(before horizon: Int64, now: Int64) async throws {
    let first = RetentionPeriod.dayNumber(horizon)
    try await database.write { db in
      try db.run("DELETE FROM promises WHERE ends <= \(now)")
      try db.run("DELETE FROM skippedDumps WHERE day < \(first)")
    }
  }
}

/// A fingerprint of a group's or a catalog's dumps.
struct DumpKindName: Hashable {
  enum Owner {
    case group, fleet

    var column: SQLText { self == .group ? "groupId" : "catalogId" }
  }

  var owner: String
  var fingerprint: String

  init(owner: String, fingerprint: String) {
    self.owner = owner
    self.fingerprint = fingerprint
  }

  /// - Parameter row: with owner and kind.
  init(_ row: SQLRow) throws {
    owner = try row["owner"]
    fingerprint = try row["kind"]
  }
}

extension Set<DumpKindName> {
  /// For a table (owner, kind) of values.
  var asked: [[any SQLConvertible]] { map { [$0.owner, $0.fingerprint] } }
}
