// The dumps of one region in one SQLite file.

import DumpFormat
import Foundation
import GRDB
import ServiceAPI

/// `<region>.sqlite`. Content lies in a table of its own, encrypted with each dump's own key.
final class SQLiteDumpStore: DumpStore {
  let region: Region
  let pool: DatabasePool
  let secrets: SecretTable
  private let vault: DumpVault

  /// - Parameter folder: the data folder; the file is named after the region.
  /// - Throws: ``SecretUnreadable`` when the store belongs to another master key.
  init(region: Region, in folder: URL, masterKey: MasterKey) throws {
    self.region = region
    let secrets = SecretTable(masterKey: masterKey, store: region.storeName)
    self.secrets = secrets
    pool = try openDatabase(
      at: folder.appendingPathComponent("\(region.storeName).sqlite"),
      migrator: Self.migrator(secrets))
    vault = try pool.write { try Self.vault($0, secrets) }
  }

  func close() throws { try pool.close() }

  func insert(_ dump: IncomingDump) async throws -> StoreOutcome {
    let row = DumpRow(dump, id: "\(region.storeName)-\(UUID().uuidString.lowercased())")
    let sealed = try vault.seal(
      content: Data(dump.content), signature: dump.signature, id: row.id)
    return try await pool.write { db in
      if let stored = try DumpRow.find(db, row.key, device: row.deviceId) {
        return stored.receivedDigest == row.receivedDigest ? .present(id: stored.id) : .conflict
      }
      try row.insert(db)
      try Self.insert(db, sealed, id: row.id)
      return .stored(id: row.id)
    }
  }

  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredDump? {
    try await pool.read { db in
      try DumpRow.find(db, key, device: device.text).map {
        StoredDump(id: $0.id, digest: $0.receivedDigest)
      }
    }
  }

  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int) async throws
    -> [(DumpCursor, DumpSummary)]
  {
    try await pool.read { [self] db in
      var request: SQL = "\(Self.summaries) WHERE true"
      if let catalog = filter.catalog { request += " AND catalog = \(catalog)" }
      if let product = filter.product { request += " AND product = \(product)" }
      if let group = filter.deviceGroup { request += " AND deviceGroup = \(group)" }
      if let device = filter.device { request += " AND deviceId = \(device.text)" }
      if let cursor {
        request += " AND (receivedAt, id) < (\(cursor.receivedAt), \(cursor.id))"
      }
      request += " ORDER BY receivedAt DESC, id DESC LIMIT \(limit)"
      return try Row.fetchAll(db, SQLRequest(literal: request)).map {
        let summary = try summary($0)
        return (DumpCursor(receivedAt: $0["receivedAt"], id: summary.id), summary)
      }
    }
  }

  func summary(_ id: String) async throws -> DumpSummary? {
    try await pool.read { [self] db in
      try SQLRequest<Row>("\(Self.summaries) WHERE id = \(id)").fetchOne(db).map(summary)
    }
  }

  func content(_ id: String) async throws -> Data? {
    let sealed: (key: Data, content: Data)? = try await pool.read { db in
      try SQLRequest<Row>("SELECT wrappedKey, content FROM sealedContents WHERE dumpId = \(id)")
        .fetchOne(db).map { ($0["wrappedKey"], $0["content"]) }
    }
    return try sealed.map { try vault.content($0.content, wrappedKey: $0.key, id: id) }
  }

  /// Rows that ``summary(_:)`` reads.
  private static var summaries: SQL {
    """
    SELECT dumps.*, wrappedKey, sealedContents.signature AS sealedSignature
    FROM dumps JOIN sealedContents ON dumpId = id
    """
  }

  private func summary(_ row: Row) throws -> DumpSummary {
    let dump = try DumpRow(row: row)
    let signature = try vault.signature(
      row["sealedSignature"], wrappedKey: row["wrappedKey"], id: dump.id)
    return dump.summary(in: region, signature: signature)
  }
}
