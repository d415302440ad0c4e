// The spool as the uploader sees it: what waits, and what became of it.

import DumpFormat
import Foundation
import GRDB

/// A dump that waits for the service, without its bytes.
public struct SpooledDump: Sendable {
  public var identity: DumpIdentity
  /// 16 hex digits.
  public var fingerprint: String
  public var occurrences: UInt32
  /// Bytes of the whole dump.
  public var size: Int
  /// Of the lease under which it was taken.
  public var consentEpoch: UInt32
  /// The image that crashed, 40 hex digits.
  public var buildID: String
}

extension SpooledDump {
  /// - Parameter row: boot_count, sequence, fingerprint, occurrences, size and prologue.
  fileprivate init(_ row: Row, of device: String) {
    let prologue: Data = row["prologue"]
    let epoch = PrologueLayout.consentEpoch
    let buildID = PrologueLayout.buildID
    self.init(
      identity: DumpIdentity(
        device: device, key: DumpKey(bootCount: row["boot_count"], sequence: row["sequence"])),
      fingerprint: row["fingerprint"], occurrences: row["occurrences"], size: row["size"],
      consentEpoch: prologue[epoch..<epoch + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) },
      buildID: [UInt8](prologue[buildID..<buildID + BuildID.count]).hexDigits)
  }
}

extension Spool {
  /// The devices that have dumps waiting.
  public func devicesWaiting() async throws(HostBridgeError) -> [String] {
    try await access { queue in
      try await queue.read { db in
        try String.fetchAll(
          db,
          sql: """
            SELECT DISTINCT device FROM dump WHERE state = \(State.stored.rawValue) ORDER BY device
            """)
      }
    }
  }

  /// Dumps of one device that wait, those that failed least often first, then oldest first.
  public func waiting(of device: String, limit: Int) async throws(HostBridgeError) -> [SpooledDump]
  {
    try await access { queue in
      try await queue.read { db in
        try Row.fetchAll(
          db,
          sql: """
            SELECT boot_count, sequence, fingerprint, occurrences, size, prologue
            FROM dump LEFT JOIN attempt ON attempt.dump = dump.id
            WHERE state = \(State.stored.rawValue) AND device = ?
            ORDER BY ifnull(attempt.count, 0), id LIMIT ?
            """,
          arguments: [device, limit]
        ).map { SpooledDump($0, of: device) }
      }
    }
  }

  /// The bytes of a dump, or `nil` when they are gone from here.
  public func bytes(of identity: DumpIdentity) async throws(HostBridgeError) -> [UInt8]? {
    try await access { queue in
      try await queue.read { db in
        try Data.fetchOne(
          db,
          sql: """
            SELECT bytes FROM dump
            WHERE device = ? AND boot_count = ? AND sequence = ? AND bytes IS NOT NULL
            """,
          arguments: [identity.device, identity.key.bootCount, identity.key.sequence]
        ).map { [UInt8]($0) }
      }
    }
  }

  /// Notes a failed attempt, so that other dumps of the device come first next time, until the
  /// process ends.
  public func noteFailure(of identity: DumpIdentity) async throws(HostBridgeError) {
    try await access { queue in
      try await queue.writeWithoutTransaction { db in
        try db.execute(
          sql: """
            INSERT INTO attempt (dump, count)
            SELECT id, 1 FROM dump WHERE device = ? AND boot_count = ? AND sequence = ?
            ON CONFLICT DO UPDATE SET count = count + 1
            """,
          arguments: [identity.device, identity.key.bootCount, identity.key.sequence])
      }
    }
  }

  /// Ends a dump's stay: in every state but `stored` and `rejected` its bytes are deleted. What the
  /// write-ahead log still has of them goes with ``sweep()``, after a purge at once.
  ///
  /// - Parameter note: the service's name for the dump, or why it was rejected.
  public func settle(
    _ identity: DumpIdentity, as state: State, note: String? = nil
  ) async throws(HostBridgeError) {
    let held = try await access(freesBytes: true) { queue in
      try await queue.write { db in
        if state == .purged {
          if let row = try Self.row(of: identity, in: db), row["state"] == State.stored.rawValue {
            try Self.erase(row, in: db)
          }
          return try Self.bytesHeld(in: db)
        }
        try db.execute(
          sql: """
            UPDATE dump SET state = ?, note = ?, bytes = CASE WHEN ? THEN bytes END
            WHERE device = ? AND boot_count = ? AND sequence = ? AND state = ?
            """,
          arguments: [
            state.rawValue, note, state == .stored || state == .rejected,
            identity.device, identity.key.bootCount, identity.key.sequence, State.stored.rawValue,
          ])
        return try Self.bytesHeld(in: db)
      }
    }
    health.withLock { $0.holds(held, now: clock.wall()) }
    hasResidue.store(true, ordering: .relaxed)
    if state == .purged { try await sweep() }
  }
}
