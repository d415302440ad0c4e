// The bytes of images, in the region that they are kept for, encrypted under the master key.

import Foundation
import SQLStorage

extension DumpStore {
  static func makeImages(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE imageContents (
        catalogId \(engine.text) NOT NULL,
        imageId \(engine.text) NOT NULL,
        -- SHA-256 of the bytes, so that of two that claim one id neither gets the other's.
        digest \(engine.blob) NOT NULL,
        wrapped \(engine.blob) NOT NULL,
        PRIMARY KEY (catalogId, imageId, digest)
      ) \(engine.strict)
      """)
  }

  private static func name(_ id: String, _ catalogID: String) -> String {
    "image/\(catalogID)/\(id)"
  }

  /// Stores the bytes of an image, if it has none. They are on disk when the call returns.
  func putImage(_ content: Data, as id: String, digest: Data, ofCatalog catalogID: String)
    async throws
  {
    let wrapped = try secrets.wrap(content, name: Self.name(id, catalogID))
    try await database.write { db in
      try db.run(
        """
        INSERT INTO imageContents (catalogId, imageId, digest, wrapped)
        VALUES (\(catalogID), \(id), \(digest), \(wrapped))
        ON CONFLICT (catalogId, imageId, digest) DO NOTHING
        """)
    }
  }

  /// The bytes of an image; `nil` when this region has none.
  func image(_ id: String, digest: Data, ofCatalog catalogID: String) async throws -> Data? {
    let wrapped: Data? = try await database.read { db in
      try db.value(
        """
        SELECT wrapped AS value FROM imageContents
        WHERE catalogId = \(catalogID) AND imageId = \(id) AND digest = \(digest)
        """)
    }
    return try wrapped.map { try secrets.unwrap($0, name: Self.name(id, catalogID)) }
  }

  /// - Parameter id: `nil` deletes all of the catalog's.
  func deleteImages(_ id: String? = nil, ofCatalog catalogID: String) async throws {
    let narrowed: SQLText = id.map { " AND imageId = \($0)" } ?? ""
    try await database.write { db in
      try db.run("DELETE FROM imageContents WHERE catalogId = \(catalogID)\(narrowed)")
    }
  }
}
