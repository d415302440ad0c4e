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
    let fleet = limits.dumpsPerFleet > 0
    var groups: [DumpKindName: Int] = [:]
    var fleets: [DumpKindName: Int] = [:]
    return try offers.map { offer in
      if stored.contains(offer.name) { return HeldDumps(isStored: true) }
      let group = DumpKindName(owner: offer.placement.groupID, fingerprint: offer.fingerprint)
      let catalog = DumpKindName(owner: offer.placement.catalogID, fingerprint: offer.fingerprint)
      if groups[group] == nil { groups[group] = try number(db, "groupId", group) }
      if fleet, fleets[catalog] == nil { fleets[catalog] = try number(db, "catalogId", catalog) }
      let ofGroup = groups[group] ?? 0
      // A device has none of what its group has none of, and when the group has enough it is not asked.
      let isDeviceAsked =
        limits.dumpsPerDevice > 0 && ofGroup > 0
        && (limits.dumpsPerGroup == 0 || ofGroup < limits.dumpsPerGroup)
      return HeldDumps(
        numbers: DumpNumbers(
          device: isDeviceAsked ? try number(db, ofDevice: offer) : 0, group: ofGroup,
          fleet: fleets[catalog] ?? 0))
    }
  }

  /// Which of the offered dumps are stored; one statement for many of them.
  private static func stored(_ db: any SQLConnection, of offers: [OfferedDump]) throws
    -> Set<Promises.Name>
  {
    var stored: Set<Promises.Name> = []
    for start in stride(from: 0, to: offers.count, by: mostInStatement) {
      let asked = offers[start..<min(start + mostInStatement, offers.count)].map { offer in
        SQLText(
          """
          (CAST(\(offer.placement.device.text) AS TEXT),
            CAST(\(offer.key.bootCount) AS \(db.engine.integer)),
            CAST(\(offer.key.sequence) AS \(db.engine.integer)))
          """)
      }
      let rows = try db.rows(
        """
        SELECT deviceId, bootCount, sequence FROM dumpKeys
        WHERE (deviceId, bootCount, sequence) IN (VALUES \(asked.joined(separator: ", ")))
        """)
      for row in rows { stored.insert(try Promises.Name(row)) }
    }
    return stored
  }

  /// Offers that one statement asks for.
  private static let mostInStatement = 64

  private static func number(_ db: any SQLConnection, ofDevice offer: OfferedDump) throws -> Int {
    try db.value(
      """
      SELECT count(*) AS value FROM dumps WHERE fingerprint = \(offer.fingerprint) AND id IN
        (SELECT dumpId FROM dumpKeys WHERE deviceId = \(offer.placement.device.text))
      """) ?? 0
  }

  private static func number(_ db: any SQLConnection, _ owner: SQLText, _ name: DumpKindName) throws
    -> Int
  {
    try db.value(
      """
      SELECT CAST(coalesce(sum(number), 0) AS \(db.engine.integer)) AS value FROM dumpKinds
      WHERE \(owner) = \(name.owner) AND fingerprint = \(name.fingerprint)
      """) ?? 0
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
  var owner: String
  var fingerprint: String
}
