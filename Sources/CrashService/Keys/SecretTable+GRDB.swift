// The same table for stores that speak to GRDB themselves.

import Foundation
import GRDB

extension SecretTable {
  static func make(_ db: Database) throws {
    try db.execute(
      sql: "CREATE TABLE secrets (name TEXT NOT NULL PRIMARY KEY, wrapped BLOB NOT NULL) STRICT")
  }

  func secret(_ db: Database, _ name: String) throws -> Data? {
    let wrapped: SQLRequest<Data> = "SELECT wrapped FROM secrets WHERE name = \(name)"
    return try wrapped.fetchOne(db).map { try unwrap($0, name: name) }
  }

  func secret(_ db: Database, _ name: String, orInsert make: () -> Data) throws -> Data {
    if let found = try secret(db, name) { return found }
    let made = make()
    try db.execute(
      literal: """
        INSERT INTO secrets (name, wrapped) VALUES (\(name), \(try wrap(made, name: name)))
        """)
    return made
  }
}
