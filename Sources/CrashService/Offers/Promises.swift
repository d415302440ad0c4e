// Which wanted dumps are promised to whom, inside of one transaction.

import DumpFormat
import SQLStorage

/// The live promises of the kinds of dumps that a transaction judges.
///
/// A promise is live until its time is over or its dump is stored.
struct Promises {
  /// A dump, whoever owns it.
  struct Name: Hashable, Sendable {
    var device: String
    var key: DumpKey

    init(device: String, key: DumpKey) {
      self.device = device
      self.key = key
    }

    /// - Parameter row: with deviceId, bootCount and sequence, or NULL for them.
    init?(_ row: SQLRow) throws {
      guard let device: String = try row["deviceId"] else { return nil }
      self.device = device
      key = DumpKey(bootCount: try row["bootCount"], sequence: try row["sequence"])
    }
  }

  /// A promise as it is written down: a device may offer one dump under two fingerprints.
  private struct Given: Hashable {
    var kind: DumpKindName
    var name: Name
  }

  /// How long a promise holds, milliseconds: longer than a bridge takes for a dump.
  static let length: Int64 = 30_000

  /// The same in seconds.
  static var seconds: Int { Int(length / 1000) }

  let db: any SQLConnection
  /// Milliseconds since 1970.
  let now: Int64
  /// Dumps that were stored in other regions a moment ago.
  let settled: LatelyStored.Moment
  private var groups: [DumpKindName: Set<Name>] = [:]
  private var fleets: [DumpKindName: Set<Name>] = [:]
  /// Those of this transaction.
  private var given: Set<Given> = []

  init(db: any SQLConnection, now: Int64, settled: LatelyStored.Moment) {
    self.db = db
    self.now = now
    self.settled = settled
  }

  /// Reads the promises of all kinds that are offered.
  /// - Parameter fleet: those of whole catalogs as well.
  mutating func read(_ offers: [OfferedDump], fleet: Bool) throws {
    groups = try live(.group, Set(offers.map(\.kindOfGroup)))
    if fleet { fleets = try live(.fleet, Set(offers.map(\.kindOfFleet))) }
  }

  /// How many other dumps of the kind are promised, of kinds that were read.
  func open(beside offer: OfferedDump) -> DumpNumbers {
    let group = groups[offer.kindOfGroup] ?? []
    let own = offer.name
    return DumpNumbers(
      device: group.count { $0.device == own.device && $0 != own },
      group: group.count { $0 != own },
      fleet: (fleets[offer.kindOfFleet] ?? []).count { $0 != own })
  }

  /// Promises a dump to its device.
  /// - Returns: whether that is to be written down; not when the same was promised in this transaction.
  mutating func give(_ offer: OfferedDump) -> Bool {
    fleets[offer.kindOfFleet, default: []].insert(offer.name)
    groups[offer.kindOfGroup, default: []].insert(offer.name)
    return given.insert(Given(kind: offer.kindOfGroup, name: offer.name)).inserted
  }

  private static let insert = SQLInsert(
    into: "promises",
    ["groupId", "fingerprint", "deviceId", "bootCount", "sequence", "catalogId", "ends"],
    """
    ON CONFLICT (groupId, fingerprint, deviceId, bootCount, sequence)
    DO UPDATE SET ends = excluded.ends
    """)

  /// What writes promises down, each of another dump; milliseconds since 1970.
  static func rows(_ offers: [OfferedDump], until end: Int64) -> SQLRows {
    insert(
      offers.map { offer in
        [
          .text(offer.placement.groupID), .text(offer.fingerprint),
          .text(offer.placement.device.text), offer.key.bootCount.sqlValue,
          offer.key.sequence.sqlValue, .text(offer.placement.catalogID), .integer(end),
        ]
      })
  }

  private func live(_ owner: DumpKindName.Owner, _ kinds: Set<DumpKindName>) throws
    -> [DumpKindName: Set<Name>]
  {
    let rows = try db.rows(asking: kinds.asked, of: ["TEXT", "TEXT"]) { asked in
      """
      WITH asked (owner, kind) AS (VALUES \(asked))
      SELECT owner, kind, deviceId, bootCount, sequence FROM asked
      LEFT JOIN promises ON \(owner.column) = owner AND fingerprint = kind AND ends > \(now)
      AND NOT EXISTS (SELECT 1 FROM dumpKeys WHERE dumpKeys.deviceId = promises.deviceId
        AND dumpKeys.bootCount = promises.bootCount AND dumpKeys.sequence = promises.sequence)
      """
    }
    var live: [DumpKindName: Set<Name>] = [:]
    for row in rows {
      guard let name = try Name(row), !settled.contains(name) else { continue }
      live[try DumpKindName(row), default: []].insert(name)
    }
    return live
  }
}

extension OfferedDump {
  var name: Promises.Name { Promises.Name(device: placement.device.text, key: key) }
  var kindOfGroup: DumpKindName {
    DumpKindName(owner: placement.groupID, fingerprint: fingerprint)
  }
  var kindOfFleet: DumpKindName {
    DumpKindName(owner: placement.catalogID, fingerprint: fingerprint)
  }
}
