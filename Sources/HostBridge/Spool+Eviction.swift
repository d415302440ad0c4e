// Which dump a full spool gives up: the rule of the ring.

import DumpFormat
import Foundation
import GRDB

/// A dump whose bytes are gone from here although the service did not take it.
struct RemovedDump: Sendable {
  var identity: DumpIdentity
  var fingerprint: String
  var size: Int
  var reason: String
}

extension Spool {
  /// Gives up dumps until the limit is kept again.
  ///
  /// The order is the ring's (docs/formats/ring.md, Erase-ahead and eviction) with the new dump
  /// among the rest: first those that are dealt with and only kept aside; then surplus dumps of one
  /// fingerprint of a device, of which the first stays; then the oldest that is not the first of
  /// several with its fingerprint; then the oldest. Older is what came here earlier.
  ///
  /// - Throws: ``NoRoom`` when it is the new dump's turn.
  static func makeRoom(
    for new: Int64, size: Int, _ limits: SpoolLimits, in db: Database
  ) throws -> [RemovedDump] {
    guard size <= limits.bytes else { throw NoRoom() }
    var held = try bytesHeld(in: db)
    var removed: [RemovedDump] = []
    while held > limits.bytes {
      guard let row = try victim(limits, in: db), row["id"] != new else { throw NoRoom() }
      let dump = RemovedDump(row, reason: words(forRank: row["rank"]))
      try remove(row["id"], as: .evicted, because: dump.reason, in: db)
      removed.append(dump)
      held -= dump.size
    }
    return removed
  }

  private static func victim(_ limits: SpoolLimits, in db: Database) throws -> Row? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT *, CASE
            WHEN state <> \(State.stored.rawValue) THEN 1
            WHEN place = 1 THEN CASE WHEN same > 1 THEN 4 ELSE 3 END
            WHEN same > ? THEN 2
            ELSE 3 END AS rank
        FROM (
          SELECT id, device, fingerprint, boot_count, sequence, state, size,
            row_number() OVER kind AS place,
            count(*) OVER (PARTITION BY device, fingerprint, state) AS same
          FROM dump WHERE \(isHeld)
          WINDOW kind AS (PARTITION BY device, fingerprint, state ORDER BY boot_count, sequence))
        ORDER BY rank, id LIMIT 1
        """,
      arguments: [limits.dumpsPerFingerprint])
  }

  private static func words(forRank rank: Int) -> String {
    switch rank {
    case 1: "the spool is full, and the service will never take this dump"
    case 2: "the spool is full, and this dump is surplus of its fingerprint"
    default: "the spool is full, and this dump is the oldest that is not the first of several"
    }
  }

  /// Takes the bytes of a dump away and leaves its row.
  static func remove(_ id: Int64, as state: State, because reason: String, in db: Database) throws {
    try db.execute(
      sql: "UPDATE dump SET state = ?, note = ?, bytes = NULL WHERE id = ?",
      arguments: [state.rawValue, reason, id])
  }

  func tell(_ name: BridgeEvent.Name, _ dumps: [RemovedDump]) {
    for dump in dumps {
      var event = BridgeEvent(name, device: dump.identity.device)
      event.dump = dump.identity.key.text
      event.fingerprint = dump.fingerprint
      event.size = dump.size
      event.reason = dump.reason
      events(event)
    }
  }
}

extension RemovedDump {
  /// - Parameter row: device, boot_count, sequence, fingerprint and size.
  init(_ row: Row, reason: String) {
    self.init(
      identity: DumpIdentity(
        device: row["device"],
        key: DumpKey(bootCount: row["boot_count"], sequence: row["sequence"])),
      fingerprint: row["fingerprint"], size: row["size"], reason: reason)
  }
}
