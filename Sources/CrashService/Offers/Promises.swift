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

    /// - Parameter row: with deviceId, bootCount and sequence.
    init(_ row: SQLRow) throws {
      device = try row["deviceId"]
      key = DumpKey(bootCount: try row["bootCount"], sequence: try row["sequence"])
    }
  }

  /// How long a promise holds, milliseconds: longer than a bridge takes for a dump.
  static let length: Int64 = 30_000

  /// The same in seconds.
  static var seconds: Int { Int(length / 1000) }

  let db: any SQLConnection
  /// Milliseconds since 1970.
  let now: Int64
  /// Dumps that were stored in other regions a moment ago.
  let settled: Set<Name>
  private var groups: [DumpKindName: Set<Name>] = [:]
  private var fleets: [DumpKindName: Set<Name>] = [:]

  init(db: any SQLConnection, now: Int64, settled: Set<Name>) {
    self.db = db
    self.now = now
    self.settled = settled
  }

  /// How many other dumps of the kind are promised.
  mutating func open(beside offer: OfferedDump, fleet: Bool) throws -> DumpNumbers {
    let group = try promised(offer.kindOfGroup, \.groups, "groupId")
    let own = offer.name
    return DumpNumbers(
      device: group.count { $0.device == own.device && $0 != own },
      group: group.count { $0 != own },
      fleet: fleet
        ? try promised(offer.kindOfFleet, \.fleets, "catalogId").count { $0 != own } : 0)
  }

  /// Promises a dump to its device.
  /// - Returns: what writes that down.
  mutating func give(_ offer: OfferedDump, until end: Int64) -> SQLText {
    groups[offer.kindOfGroup]?.insert(offer.name)
    fleets[offer.kindOfFleet]?.insert(offer.name)
    return """
      INSERT INTO promises (groupId, fingerprint, deviceId, bootCount, sequence, catalogId, ends)
      VALUES (\(offer.placement.groupID), \(offer.fingerprint), \(offer.placement.device.text),
        \(offer.key.bootCount), \(offer.key.sequence), \(offer.placement.catalogID), \(end))
      ON CONFLICT (groupId, fingerprint, deviceId, bootCount, sequence)
      DO UPDATE SET ends = excluded.ends
      """
  }

  private mutating func promised(
    _ kind: DumpKindName, _ known: WritableKeyPath<Promises, [DumpKindName: Set<Name>]>,
    _ column: SQLText
  ) throws -> Set<Name> {
    if let found = self[keyPath: known][kind] { return found }
    let rows = try db.rows(
      """
      SELECT deviceId, bootCount, sequence FROM promises
      WHERE \(column) = \(kind.owner) AND fingerprint = \(kind.fingerprint) AND ends > \(now)
      AND NOT EXISTS (SELECT 1 FROM dumpKeys WHERE dumpKeys.deviceId = promises.deviceId
        AND dumpKeys.bootCount = promises.bootCount AND dumpKeys.sequence = promises.sequence)
      """)
    let live = Set(try rows.map(Name.init)).subtracting(settled)
    self[keyPath: known][kind] = live
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
