// The keys that devices of one region seal dumps to: one a month.

import Crypto
import Foundation
import GRDB

extension SQLiteDumpStore {
  func sealingKey(at date: Date) async throws -> SealingKey {
    let id = SealingKeyID(region: region, at: date)
    if let found = try await sealingKey(id: id.rawValue) { return found }
    return try await pool.write { [secrets] db in
      // Somebody else may have been quicker.
      if let found = try Self.sealingKey(db, id.rawValue, secrets) { return found }
      let key = Curve25519.KeyAgreement.PrivateKey()
      let wrapped = try secrets.wrap(key.rawRepresentation, name: Self.secretName(id.rawValue))
      try db.execute(
        literal: "INSERT INTO sealingKeys (id, wrapped) VALUES (\(id.rawValue), \(wrapped))")
      try db.execute(literal: "DELETE FROM sealingKeys WHERE id < \(id.oldestKept.rawValue)")
      return SealingKey(id: id.rawValue, privateKey: key)
    }
  }

  func sealingKey(id: UInt32) async throws -> SealingKey? {
    try await pool.read { [secrets] in try Self.sealingKey($0, id, secrets) }
  }

  private static func sealingKey(_ db: Database, _ id: UInt32, _ secrets: SecretTable) throws
    -> SealingKey?
  {
    let request: SQLRequest<Data> = "SELECT wrapped FROM sealingKeys WHERE id = \(id)"
    guard let wrapped = try request.fetchOne(db) else { return nil }
    let secret = try secrets.unwrap(wrapped, name: secretName(id))
    return SealingKey(id: id, privateKey: try .init(rawRepresentation: secret))
  }

  private static func secretName(_ id: UInt32) -> String { "sealing/\(id)" }
}
