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

/// What is held of an offered dump and its kind.
struct HeldDumps: Equatable, Sendable {
  var isStored = false
  var numbers = DumpNumbers()

  static func + (first: HeldDumps, second: HeldDumps) -> HeldDumps {
    HeldDumps(
      isStored: first.isStored || second.isStored, numbers: first.numbers + second.numbers)
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

  /// What the store holds of the dumps that are offered, and of their kinds.
  func held(of offers: [OfferedDump], limits: ServiceLimits) async throws -> [HeldDumps] {
    guard !offers.isEmpty else { return [] }
    return try await database.look { try Self.held($0, of: offers, limits: limits) }
  }

  /// - Parameter limits: what they do not ask for is not counted.
  static func held(_ db: any SQLConnection, of offers: [OfferedDump], limits: ServiceLimits) throws
    -> [HeldDumps]
  {
    let stored = try stored(db, of: offers)
    let new = offers.filter { !stored.contains($0.name) }
    let groups = try numbers(db, .group, Set(new.map(\.kindOfGroup)))
    let fleets =
      limits.dumpsPerFleet > 0 ? try numbers(db, .fleet, Set(new.map(\.kindOfFleet))) : [:]
    return try offers.map { offer in
      if stored.contains(offer.name) { return HeldDumps(isStored: true) }
      let ofGroup = groups[offer.kindOfGroup] ?? 0
      // A device has none of what its group has none of, and when the group has enough it is not asked.
      let isDeviceAsked =
        limits.dumpsPerDevice > 0 && ofGroup > 0
        && (limits.dumpsPerGroup == 0 || ofGroup < limits.dumpsPerGroup)
      return HeldDumps(
        numbers: DumpNumbers(
          device: isDeviceAsked ? try number(db, ofDevice: offer) : 0, group: ofGroup,
          fleet: fleets[offer.kindOfFleet] ?? 0))
    }
  }

  /// Which of the offered dumps are stored.
  private static func stored(_ db: any SQLConnection, of offers: [OfferedDump]) throws
    -> Set<Promises.Name>
  {
    let asked = offers.map { offer in
      SQLText(
        """
        (CAST(\(offer.placement.device.text) AS TEXT),
          CAST(\(offer.key.bootCount) AS \(db.engine.integer)),
          CAST(\(offer.key.sequence) AS \(db.engine.integer)))
        """)
    }
    let rows = try db.rows(asking: asked) { asked in
      """
      WITH asked (device, boot, number) AS (VALUES \(asked))
      SELECT deviceId, bootCount, sequence FROM asked
      LEFT JOIN dumpKeys ON deviceId = device AND bootCount = boot AND sequence = number
      """
    }
    return Set(try rows.compactMap(Promises.Name.init))
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
    let rows = try db.rows(asking: kinds.sqlRows) { asked in
      """
      WITH asked (owner, kind) AS (VALUES \(asked))
      SELECT owner, kind, CAST(coalesce(sum(number), 0) AS \(db.engine.integer)) AS number
      FROM asked LEFT JOIN dumpKinds ON \(owner.column) = owner AND fingerprint = kind
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

  /// How many dumps of a device were not taken, by fingerprint.
  func skipped(of device: DeviceID) async throws -> [String: Int] {
    try await database.read { db in
      let rows = try db.rows(
        """
        SELECT fingerprint, count(*) AS number FROM skippedDumps WHERE deviceId = \(device.text)
        GROUP BY fingerprint
        """)
      return Dictionary(
        try rows.map { (try $0["fingerprint"] as String, try $0["number"] as Int) },
        uniquingKeysWith: +)
    }
  }

  /// Forgets promises that are over, and what was skipped long ago; milliseconds since 1970.
  func forgetOffers(before horizon: Int64, now: Int64) async throws {
    try await database.write { db in
      try db.run("DELETE FROM promises WHERE ends <= \(now)")
      try db.run("DELETE FROM skippedDumps WHERE skippedAt < \(horizon)")
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
  var sqlRows: [SQLText] {
    map { "(CAST(\($0.owner) AS TEXT), CAST(\($0.fingerprint) AS TEXT))" }
  }
}

extension SQLConnection {
  /// The rows of statements that ask for many things each. SQLite finds no index for a row of values `IN` others: what
  /// is asked for stands on the left of a LEFT JOIN.
  /// - Parameters:
  ///   - asked: rows of values.
  ///   - statement: is given some of them, separated by commas.
  func rows(asking asked: [SQLText], _ statement: (SQLText) -> SQLText) throws -> [SQLRow] {
    try asked.inStatements.flatMap { try rows(statement($0)) }
  }
}
