// The secrets of one database, each encrypted under the master key.

import Foundation
import GRDB

/// The table `secrets`. A secret of one store cannot be put into another's: the store is part of its
/// name.
struct SecretTable: Sendable {
  let masterKey: MasterKey
  /// Such as `us-east`.
  let store: String

  static func make(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE secrets (
          name TEXT NOT NULL PRIMARY KEY,
          wrapped BLOB NOT NULL
        ) STRICT;
        """)
  }

  /// The secret of that name; `nil` when there is none.
  /// - Throws: ``SecretUnreadable``, or what the database throws.
  func secret(_ db: Database, _ name: String) throws -> Data? {
    let wrapped: SQLRequest<Data> = "SELECT wrapped FROM secrets WHERE name = \(name)"
    return try wrapped.fetchOne(db).map { try unwrap($0, name: name) }
  }

  /// The same, made when it is missing.
  func secret(_ db: Database, _ name: String, orInsert make: () -> Data) throws -> Data {
    if let found = try secret(db, name) { return found }
    let made = make()
    try db.execute(
      literal: """
        INSERT INTO secrets (name, wrapped) VALUES (\(name), \(try wrap(made, name: name)))
        """)
    return made
  }

  /// For tables that keep secrets beside other columns.
  func wrap(_ secret: Data, name: String) throws -> Data {
    try masterKey.wrap(secret, name: "\(store)/\(name)")
  }

  /// The other way round.
  func unwrap(_ wrapped: Data, name: String) throws(SecretUnreadable) -> Data {
    try masterKey.unwrap(wrapped, name: "\(store)/\(name)")
  }
}
