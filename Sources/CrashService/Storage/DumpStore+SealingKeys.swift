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
      guard let stored = try db.row(Self.lookUp(id.rawValue)) else {
        throw SecretUnreadable(name: Self.secretName(id.rawValue))
      }
      return try Self.sealingKey(stored, id.rawValue, secrets)
    }
    sealingKeys.removeAll()
    exchanges.removeAll()
    sealingKeys.keep(key, as: key.id)
    return key
  }

  /// A key that dumps were sealed to; `nil` when it is not this region's, or not any more.
  func sealingKey(id: UInt32) async throws -> SealingKey? {
    if let known = sealingKeys[id] { return known }
    let found = try await database.rows(Self.lookUp(id)).first
    guard let found else { return nil }
    let key = try Self.sealingKey(found, id, secrets)
    sealingKeys.keep(key, as: id)
    return key
  }

  private static func lookUp(_ id: UInt32) -> SQLText {
    "SELECT wrapped FROM sealingKeys WHERE id = \(id)"
  }

  private static func sealingKey(_ row: SQLRow, _ id: UInt32, _ secrets: SecretTable) throws
    -> SealingKey
  {
    let secret = try secrets.unwrap(try row["wrapped"], name: secretName(id))
    return SealingKey(id: id, privateKey: try .init(rawRepresentation: secret))
  }

  private static func secretName(_ id: UInt32) -> String { "sealing/\(id)" }
}
