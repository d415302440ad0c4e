// The service's claim key and the catalogs' signing keys in SQLite.

import Crypto
import Foundation
import GRDB
import ServiceAPI

/// The signing key of a catalog. It outlives the catalog: denials are signed with it, and a catalog that
/// is made again under the name has it, because its devices trust no other.
struct CatalogKeyRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "catalogKeys"

  var id: String
  var subscription: String
  var resourceGroup: String
  var name: String

  /// The secret's name.
  var secret: String { Self.secret(id) }

  static func secret(_ id: String) -> String { "signing/\(id)" }

  static func find(_ db: Database, of catalog: CatalogRow) throws -> CatalogKeyRow? {
    let request: SQLRequest<CatalogKeyRow> = """
      SELECT * FROM catalogKeys WHERE subscription = \(catalog.subscription)
      AND resourceGroup = \(catalog.resourceGroup) AND name = \(catalog.name)
      """
    return try request.fetchOne(db)
  }

  static func require(_ db: Database, of catalog: CatalogRow) throws -> CatalogKeyRow {
    guard let row = try find(db, of: catalog) else { throw SecretUnreadable(name: "signing") }
    return row
  }
}

extension SQLiteManagementStore {
  static let claimSecret = "claim"

  static func makeProvisioning(_ db: Database) throws {
    try SecretTable.make(db)
    try db.execute(
      sql: """
        CREATE TABLE catalogKeys (
          id TEXT NOT NULL PRIMARY KEY,
          subscription TEXT NOT NULL COLLATE NOCASE,
          resourceGroup TEXT NOT NULL COLLATE NOCASE,
          name TEXT NOT NULL COLLATE NOCASE,
          UNIQUE (subscription, resourceGroup, name)
        ) STRICT;
        CREATE TABLE registrations (
          device TEXT NOT NULL PRIMARY KEY,
          publicKey BLOB NOT NULL,
          catalogKeyId TEXT NOT NULL REFERENCES catalogKeys,
          registeredAt INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE challenges (
          challenge BLOB NOT NULL PRIMARY KEY,
          catalogKeyId TEXT NOT NULL REFERENCES catalogKeys,
          -- Who answered it.
          device TEXT,
          createdAt INTEGER NOT NULL
        ) STRICT;
        """)
  }

  /// Makes the claim key, and signing keys of catalogs that older versions made.
  /// - Throws: ``SecretUnreadable`` when the database belongs to another master key.
  func makeMissingKeys() throws {
    try pool.write { db in
      _ = try claimKey(db)
      for catalog in try CatalogRow.fetchAll(db) { try makeSigningKey(db, for: catalog) }
    }
  }

  /// Proofs of possession are made for this one.
  func claimKey(_ db: Database) throws -> Curve25519.KeyAgreement.PrivateKey {
    let secret = try secrets.secret(db, Self.claimSecret) {
      Curve25519.KeyAgreement.PrivateKey().rawRepresentation
    }
    return try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret)
  }

  /// Makes the signing key of a catalog, unless there is one under the name.
  func makeSigningKey(_ db: Database, for catalog: CatalogRow) throws {
    guard try CatalogKeyRow.find(db, of: catalog) == nil else { return }
    let row = CatalogKeyRow(
      id: Self.newID(), subscription: catalog.subscription, resourceGroup: catalog.resourceGroup,
      name: catalog.name)
    try row.insert(db)
    _ = try secrets.secret(db, row.secret) { P256.Signing.PrivateKey().rawRepresentation }
  }

  func signingKey(_ db: Database, _ id: String) throws -> P256.Signing.PrivateKey {
    let name = CatalogKeyRow.secret(id)
    guard let secret = try secrets.secret(db, name) else { throw SecretUnreadable(name: name) }
    return try P256.Signing.PrivateKey(rawRepresentation: secret)
  }

  func signature(over bytes: Data, by id: String) async throws -> Data {
    let key = try await read { [self] in try signingKey($0, id) }
    return try key.signature(for: bytes).rawRepresentation
  }
}
