// The certificates of catalogs: made when they are first asked for, and the same ever after.

import Crypto
import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  static func makeCertificateTable(_ db: any SQLConnection) throws {
    try db.script(
      """
      CREATE TABLE catalogCertificates (
        catalogId \(db.engine.text) NOT NULL PRIMARY KEY REFERENCES catalogs ON DELETE CASCADE,
        certificate \(db.engine.blob) NOT NULL
      ) \(db.engine.strict);
      """)
  }

  /// The certificate of a catalog and the catalog's path.
  func certificate(of catalog: CatalogReference) async throws -> (CatalogCertificate, String) {
    let found = try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return (try Self.certificate(db, of: row), row.reference.path)
    }
    if let certificate = found.0 { return (certificate, found.1) }
    return try await write { [self] db, now in
      let row = try CatalogRow.require(db, catalog)
      if let certificate = try Self.certificate(db, of: row) {
        return (certificate, row.reference.path)
      }
      let certificate = try CatalogCertificate(
        ofCatalog: row.id, key: signingKey(db, CatalogKeyRow.require(db, of: row).id),
        at: date(milliseconds: now))
      try db.run(
        """
        INSERT INTO catalogCertificates (catalogId, certificate)
        VALUES (\(row.id), \(Data(certificate.der)))
        """)
      return (certificate, row.reference.path)
    }
  }

  /// A certificate that proves that the service has the catalog's key.
  func proof(of catalog: CatalogReference, to nonce: String) async throws -> CatalogCertificate {
    let time = now()
    return try await read { [self] db in
      let row = try CatalogRow.require(db, catalog)
      let key = try signingKey(db, CatalogKeyRow.require(db, of: row).id)
      return try CatalogCertificate(provingTo: nonce, ofCatalog: row.id, key: key, at: time)
    }
  }

  private static func certificate(_ db: any SQLConnection, of catalog: CatalogRow) throws
    -> CatalogCertificate?
  {
    let der: Data? = try db.value(
      "SELECT certificate AS value FROM catalogCertificates WHERE catalogId = \(catalog.id)")
    return try der.map { try CatalogCertificate(der: Array($0)) }
  }
}
