// The service's claim key and the catalogs' signing keys.

import Crypto
import Foundation
import SQLStorage
import ServiceAPI

/// The signing key of a catalog. It outlives the catalog: denials are signed with it, and a catalog that
/// is made again under the name has it, because its devices trust no other.
struct CatalogKeyRow: Sendable {
  var id: String
  var subscription: String
  var resourceGroup: String
  var name: String

  /// The secret's name.
  var secret: String { Self.secret(id) }

  static func secret(_ id: String) -> String { "signing/\(id)" }

  static func find(_ db: any SQLConnection, of catalog: CatalogRow) throws -> CatalogKeyRow? {
    try db.row(
      """
      SELECT * FROM catalogKeys WHERE lower(subscription) = \(catalog.subscription.asciiLowercased)
      AND lower(resourceGroup) = \(catalog.resourceGroup.asciiLowercased)
      AND lower(name) = \(catalog.name.asciiLowercased)
      """
    ).map(CatalogKeyRow.init)
  }

  static func require(_ db: any SQLConnection, of catalog: CatalogRow) throws -> CatalogKeyRow {
    guard let row = try find(db, of: catalog) else { throw SecretUnreadable(name: "signing") }
    return row
  }
}

extension CatalogKeyRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    id = try row["id"]
    subscription = try row["subscription"]
    resourceGroup = try row["resourceGroup"]
    name = try row["name"]
  }
}

extension ManagementStore {
  static let claimSecret = "claim"

  /// Proofs of possession are made for this one. Made when it is missing.
  /// - Throws: ``SecretUnreadable`` when the database belongs to another master key.
  static func claimKey(_ db: any SQLConnection, _ secrets: SecretTable) throws
    -> Curve25519.KeyAgreement.PrivateKey
  {
    let secret = try secrets.secret(db, claimSecret) {
      Curve25519.KeyAgreement.PrivateKey().rawRepresentation
    }
    return try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret)
  }

  func claimKey(_ db: any SQLConnection) throws -> Curve25519.KeyAgreement.PrivateKey {
    try Self.claimKey(db, secrets)
  }

  /// Makes the signing key of a catalog, unless there is one under the name.
  func makeSigningKey(_ db: any SQLConnection, for catalog: CatalogRow) throws {
    guard try CatalogKeyRow.find(db, of: catalog) == nil else { return }
    let row = CatalogKeyRow(
      id: Self.newID(), subscription: catalog.subscription, resourceGroup: catalog.resourceGroup,
      name: catalog.name)
    try db.run(
      """
      INSERT INTO catalogKeys (id, subscription, resourceGroup, name)
      VALUES (\(row.id), \(row.subscription), \(row.resourceGroup), \(row.name))
      """)
    _ = try secrets.secret(db, row.secret) { P256.Signing.PrivateKey().rawRepresentation }
  }

  func signingKey(_ db: any SQLConnection, _ id: String) throws -> P256.Signing.PrivateKey {
    let name = CatalogKeyRow.secret(id)
    guard let secret = try secrets.secret(db, name) else { throw SecretUnreadable(name: name) }
    return try P256.Signing.PrivateKey(rawRepresentation: secret)
  }

  /// The signature of a catalog over `bytes`: ECDSA with P-256 and SHA-256, r then s, 64 bytes.
  /// - Parameter id: ``Registration/signingKeyID``.
  func signature(over bytes: Data, by id: String) async throws -> Data {
    let key: P256.Signing.PrivateKey
    if let kept = signingKeys[id] {
      key = kept
    } else {
      key = try await read { [self] in try signingKey($0, id) }
      signingKeys.keep(key, as: id)
    }
    return try key.signature(for: bytes).rawRepresentation
  }
}
