// The secrets of one database, each encrypted under the master key.

import Crypto
import Foundation
import SQLStorage

/// The table `secrets`. A secret of one store cannot be put into another's: the store is part of its
/// name.
struct SecretTable: Sendable {
  let masterKey: MasterKey
  /// Such as `us-east`.
  let store: String

  static func make(_ db: any SQLConnection) throws {
    try db.script(
      """
      CREATE TABLE secrets (
        name TEXT NOT NULL PRIMARY KEY,
        wrapped \(db.engine.blob) NOT NULL
      ) \(db.engine.strict)
      """)
  }

  /// Makes sure that the database belongs to the master key, from the first call on.
  /// - Throws: ``SecretUnreadable`` when it belongs to another.
  func claim(_ db: any SQLConnection) throws {
    _ = try secret(db, "master") { SymmetricKey(size: .bits128).withUnsafeBytes { Data($0) } }
  }

  /// The secret of that name; `nil` when there is none.
  /// - Throws: ``SecretUnreadable``, or what the database throws.
  func secret(_ db: any SQLConnection, _ name: String) throws -> Data? {
    let wrapped: Data? = try db.value("SELECT wrapped AS value FROM secrets WHERE name = \(name)")
    return try wrapped.map { try unwrap($0, name: name) }
  }

  /// The same, made when it is missing. Of several processes that make it at once one wins, and all
  /// have the winner's.
  func secret(_ db: any SQLConnection, _ name: String, orInsert make: () -> Data) throws -> Data {
    if let found = try secret(db, name) { return found }
    let made = make()
    let inserted = try db.run(
      """
      INSERT INTO secrets (name, wrapped) VALUES (\(name), \(try wrap(made, name: name)))
      ON CONFLICT (name) DO NOTHING
      """)
    if inserted == 1 { return made }
    guard let found = try secret(db, name) else { throw SecretUnreadable(name: name) }
    return found
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
