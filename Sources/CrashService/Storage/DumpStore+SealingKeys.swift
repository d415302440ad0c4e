// The keys that devices of one region seal dumps to: one a month.

import Crypto
import Foundation
import SQLStorage

extension DumpStore {
  /// The key that dumps are sealed to in the month of `date`. When it is made, keys that are older
  /// than the two months before are destroyed.
  func sealingKey(at date: Date) async throws -> SealingKey {
    let id = SealingKeyID(region: region, at: date)
    if let found = try await sealingKey(id: id.rawValue) { return found }
    let key = try await database.write { [secrets] db in
      let made = Curve25519.KeyAgreement.PrivateKey()
      let wrapped = try secrets.wrap(made.rawRepresentation, name: Self.secretName(id.rawValue))
      try db.run(
        """
        INSERT INTO sealingKeys (id, wrapped) VALUES (\(id.rawValue), \(wrapped))
        ON CONFLICT DO NOTHING
        """)
      try db.run("DELETE FROM sealingKeys WHERE id < \(id.oldestKept.rawValue)")
      // Somebody else may have been quicker.
      guard let stored = try Self.sealingKey(db, id.rawValue, secrets) else {
        throw SecretUnreadable(name: Self.secretName(id.rawValue))
      }
      return stored
    }
    sealingKeys.removeAll()
    exchanges.removeAll()
    sealingKeys.keep(key, as: key.id)
    return key
  }

  /// A key that dumps were sealed to; `nil` when it is not this region's, or not any more.
  func sealingKey(id: UInt32) async throws -> SealingKey? {
    if let known = sealingKeys[id] { return known }
    let found = try await database.read { [secrets] in try Self.sealingKey($0, id, secrets) }
    if let found { sealingKeys.keep(found, as: id) }
    return found
  }

  private static func sealingKey(_ db: any SQLConnection, _ id: UInt32, _ secrets: SecretTable)
    throws -> SealingKey?
  {
    let wrapped: Data? = try db.value("SELECT wrapped AS value FROM sealingKeys WHERE id = \(id)")
    guard let wrapped else { return nil }
    let secret = try secrets.unwrap(wrapped, name: secretName(id))
    return SealingKey(id: id, privateKey: try .init(rawRepresentation: secret))
  }

  private static func secretName(_ id: UInt32) -> String { "sealing/\(id)" }
}
