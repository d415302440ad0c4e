// The dumps of one region in a database of its own.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import SQLStorage
import ServiceAPI

/// A dump on its way into a store.
public struct IncomingDump: Sendable {
  public var placement: Placement
  /// Of the opened dump.
  public var prologue: DumpPrologue
  /// Decoded from the body.
  public var signature: String
  /// The whole dump as it opened, prologue included.
  public var content: [UInt8]
  /// SHA-256 of the bytes as they were received: a dump sent again has the same.
  public var digest: Data
  public var receivedAt: Date
}

/// What became of a dump.
public enum StoreOutcome: Equatable, Sendable {
  /// Stored now, under this id.
  case stored(id: String)
  /// The same bytes were there already, under this id.
  case present(id: String)
  /// Other bytes are stored under the key.
  case conflict
}

/// A key that devices of one region seal dumps to.
public struct SealingKey: Sendable {
  /// docs/formats/lease.md, The sealing key id.
  public var id: UInt32
  public var privateKey: Curve25519.KeyAgreement.PrivateKey
}

/// What a list of dumps is narrowed to; absent members narrow nothing, an empty set leaves nothing.
public struct DumpFilter: Equatable, Sendable {
  public var catalogs: Set<String>?
  public var products: Set<String>?
  public var groups: Set<String>?
  public var device: DeviceID?

  public init() {}
}

/// A place in a list of dumps, newest first: everything after one dump.
public struct DumpCursor: Equatable, Sendable {
  /// Milliseconds since 1970 when that dump was received.
  public var receivedAt: Int64
  public var id: String
}

/// A dump that is stored, as far as another region may know of it.
public struct StoredDump: Equatable, Sendable {
  public var id: String
  /// SHA-256 of the bytes as they were received.
  public var digest: Data
}

/// The dump store of one region.
///
/// Content and signature are encrypted under ``RetentionKeys``, which lie in another database. On
/// PostgreSQL rows lie in one partition a day. Several processes may use the same database.
final class DumpStore: Sendable {
  let region: Region
  let database: any SQLDatabase
  let keys: RetentionKeys
  let secrets: SecretTable
  let partitions: DayPartitions
  /// Those that were read.
  let sealingKeys = BoundedCache<UInt32, SealingKey>(most: 100)
  /// Of devices that sent dumps.
  let exchanges = BoundedCache<DumpExchange.Name, DumpExchange>(most: 10_000)
  private let ingest: GroupCommit<DumpRow, StoreOutcome>

  /// - Parameters:
  ///   - database: the region's own; brought up to date.
  ///   - keyDatabase: for the keys alone.
  ///   - limits: how many dumps are committed together, and how many may wait.
  ///   - metrics: counts what is committed.
  /// - Throws: ``SecretUnreadable`` when a database belongs to another master key.
  init(
    region: Region, database: any SQLDatabase, keyDatabase: any SQLDatabase, masterKey: MasterKey,
    limits: GroupCommitLimits = GroupCommitLimits(), metrics: ServiceMetrics? = nil
  ) async throws {
    self.region = region
    self.database = database
    let secrets = SecretTable(masterKey: masterKey, store: region.storeName)
    self.secrets = secrets
    try await Self.migrations.apply(to: database)
    try await database.write { try secrets.claim($0) }
    keys = try await RetentionKeys(keyDatabase, masterKey: masterKey, store: region.storeName)
    let partitions = DayPartitions(of: ["dumps", "contents"]) { "IN (\(SQLText(raw: "\($0)")))" }
    self.partitions = partitions
    ingest = GroupCommit(limits, metrics: metrics?.commits(of: Self.queue(of: region))) { rows in
      try await Self.store(rows, in: database, partitions: partitions)
    }
  }

  /// What metrics call the queue of dumps.
  static func queue(of region: Region) -> String { "dumps-\(region.storeName)" }

  func close() async throws {
    try await database.close()
    try await keys.close()
  }

  // MARK: - Storing

  /// Dumps that wait to be stored.
  var waiting: Int { ingest.waiting }

  /// Runs `body`, which will store a dump unless something comes between.
  func expecting<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    try await ingest.expecting(body)
  }

  /// Stores a dump, once. It is on disk when the call returns.
  /// - Throws: ``GroupCommitFull`` when too many wait; ``SQLFailure``.
  func insert(_ dump: IncomingDump) async throws -> StoreOutcome {
    let time = milliseconds(dump.receivedAt)
    let slot = RetentionSlot(group: dump.placement.groupID, time: time)
    let vault = DumpVault(key: try await keys.key(for: slot))
    let row = try DumpRow(dump, id: DumpID.make(in: region, at: time), time: time, vault: vault)
    return try await ingest.submit(row)
  }

  /// The dump under a device's key, if there is one.
  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredDump? {
    try await database.rows(Self.lookUp(key, device: device.text)).first.map(StoredDump.init)
  }

  /// Whether the store has any dump of a device.
  func holdsAny(of device: DeviceID) async throws -> Bool {
    try await !database.rows(
      "SELECT dumpId FROM dumpKeys WHERE deviceId = \(device.text) LIMIT 1"
    ).isEmpty
  }

  static func find(_ db: any SQLConnection, _ key: DumpKey, device: String) throws -> StoredDump? {
    try db.row(lookUp(key, device: device)).map(StoredDump.init)
  }

  private static func lookUp(_ key: DumpKey, device: String) -> SQLText {
    """
    SELECT dumpId, digest FROM dumpKeys
    WHERE deviceId = \(device) AND bootCount = \(key.bootCount) AND sequence = \(key.sequence)
    """
  }
}

extension StoredDump {
  fileprivate init(_ row: SQLRow) throws {
    self.init(id: try row["dumpId"], digest: try row["digest"])
  }
}
