// Images of catalogs: what they are called and where their bytes are.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  static func makeImages(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE images (
        catalogId \(engine.text) NOT NULL REFERENCES catalogs ON DELETE CASCADE,
        id \(engine.text) NOT NULL,
        regionalDataBoundary \(engine.text) NOT NULL,
        digest \(engine.blob) NOT NULL,
        \(Authorship.definition(engine)),
        PRIMARY KEY (catalogId, id)
      ) \(engine.strictKeyed);
      CREATE TABLE deployments (
        deviceGroupId \(engine.text) NOT NULL REFERENCES deviceGroups ON DELETE CASCADE,
        id \(engine.text) NOT NULL,
        number \(engine.integer) NOT NULL,
        \(Authorship.definition(engine)),
        PRIMARY KEY (deviceGroupId, id)
      ) \(engine.strictKeyed);
      CREATE TABLE deployedImages (
        deviceGroupId \(engine.text) NOT NULL,
        deploymentId \(engine.text) NOT NULL,
        place \(engine.integer) NOT NULL,
        catalogId \(engine.text) NOT NULL,
        imageId \(engine.text) NOT NULL,
        PRIMARY KEY (deviceGroupId, deploymentId, place),
        FOREIGN KEY (deviceGroupId, deploymentId) REFERENCES deployments ON DELETE CASCADE
      ) \(engine.strictKeyed);
      CREATE INDEX deployedImagesByImage ON deployedImages (catalogId, imageId)
      """)
  }

  /// Writes down an image whose bytes are stored already.
  /// - Returns: the image as it is now, and whether it is new.
  /// - Throws: ``ServiceFailure`` with 409 when another image has that id.
  func putImage(
    _ id: String, in catalog: CatalogReference, boundary: RegionalDataBoundary, digest: Data,
    by author: String
  ) async throws -> (ImageResource, WriteOutcome) {
    try await write { db, now in
      let row = try CatalogRow.require(db, catalog)
      if let found = try ImageRow.find(db, id, in: row) {
        guard found.digest == digest, found.regionalDataBoundary == boundary else {
          throw ServiceFailure.conflict(
            code: "ImageExists",
            "The catalog has another image '\(id)', or has it for another boundary. An image is never "
              + "changed: give the new one an id of its own.",
            target: id)
        }
        return (found.resource(in: row.reference), .replaced)
      }
      let image = ImageRow(
        id: id.asciiLowercased, catalogId: row.id, regionalDataBoundary: boundary, digest: digest,
        authorship: Authorship(by: author, at: now))
      try db.run(
        """
        INSERT INTO images (catalogId, id, regionalDataBoundary, digest, \(Authorship.columns))
        VALUES (\(row.id), \(image.id), \(boundary.rawValue), \(digest), \(image.authorship.values))
        """)
      return (image.resource(in: row.reference), .created)
    }
  }

  func image(_ id: String, in catalog: CatalogReference) async throws -> ImageResource {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      guard let image = try ImageRow.find(db, id, in: row) else {
        throw ServiceFailure.noImage(id)
      }
      return image.resource(in: row.reference)
    }
  }

  func images(in catalog: CatalogReference, page: Page) async throws -> [ImageResource] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return try db.rows(
        """
        SELECT * FROM images WHERE catalogId = \(row.id)\(page.condition) ORDER BY id \(page.sql)
        """
      ).map { try ImageRow($0).resource(in: row.reference) }
    }
  }

  /// Deletes what is known of an image; its bytes are to be deleted next.
  /// - Returns: the region that has the bytes and the catalog's id; `nil` when there was none.
  /// - Throws: ``ServiceFailure`` with 409 while it is deployed.
  func deleteImage(_ id: String, in catalog: CatalogReference) async throws -> (Region, String)? {
    try await write { db, _ in
      let row = try CatalogRow.require(db, catalog)
      guard let image = try ImageRow.find(db, id, in: row) else { return nil }
      let deployments: Int? = try db.value(
        """
        SELECT count(*) AS value FROM deployedImages
        WHERE catalogId = \(row.id) AND imageId = \(image.id)
        """)
      guard deployments ?? 0 == 0 else {
        throw ServiceFailure.conflict(
          code: "ImageDeployed",
          "The image '\(image.id)' is in \(deployments ?? 0) deployment(s). Delete those first.",
          target: image.id)
      }
      try db.run("DELETE FROM images WHERE catalogId = \(row.id) AND id = \(image.id)")
      return (ImageRow.region(of: image.regionalDataBoundary), row.id)
    }
  }

  /// The id of a catalog; `nil` when there is none.
  func findCatalogID(_ catalog: CatalogReference) async throws -> String? {
    try await read { try CatalogRow.find($0, catalog)?.id }
  }

  /// The id of a catalog.
  func catalogID(_ catalog: CatalogReference) async throws -> String {
    try await read { try CatalogRow.require($0, catalog).id }
  }
}

extension ServiceFailure {
  static func noImage(_ id: String) -> ServiceFailure {
    notFound("The image", String(id.prefix(60)), hint: "The catalog has none of that id.")
  }
}
