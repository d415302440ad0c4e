// What one region knows of offers: which dumps are there, promised, or were not taken.

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
      CREATE TABLE skippedDumps (
        deviceId \(engine.text) NOT NULL,
        bootCount \(engine.integer) NOT NULL,
        sequence \(engine.integer) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        groupId \(engine.text) NOT NULL,
        skippedAt \(engine.integer) NOT NULL,
        PRIMARY KEY (deviceId, bootCount, sequence)
      ) \(engine.strictKeyed);
      CREATE INDEX skippedDumpsByTime ON skippedDumps (skippedAt)
      """)
  }

  /// Whether a region has no dumps, as where all groups have the same boundary.
  static func isEmpty(_ db: any SQLConnection) throws -> Bool {
    try db.row("SELECT sequence FROM dumpKeys LIMIT 1") == nil
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

  /// Forgets promises that are over, and what was skipped long ago; milliseconds since 1970.
  func forgetOffers(before horizon: Int64, now: Int64) async throws {
    let first = RetentionPeriod.dayNumber(horizon)
    try await database.write { db in
      try db.run("DELETE FROM promises WHERE ends <= \(now)")
      try Self.forgetSkips(db, before: first)
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
