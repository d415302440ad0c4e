// Devices' public keys in SQLite, and the challenges that they answered.

import Crypto
import DumpOpening
import Foundation
import GRDB
import ServiceAPI

struct RegistrationRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "registrations"

  var device: String
  var publicKey: Data
  var catalogKeyId: String
  var registeredAt: Int64

  func registration(_ db: Database) throws -> Registration {
    let key = try CatalogKeyRow.fetchOne(db, key: catalogKeyId)
    return Registration(publicKey: publicKey, signingKeyID: catalogKeyId, catalog: key?.name ?? "")
  }
}

private struct ChallengeRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "challenges"
  /// How long a challenge can be answered, milliseconds: ten minutes.
  static let lifetime: Int64 = 600_000
  static let size = 16

  var challenge: Data
  var catalogKeyId: String
  var device: String?
  var createdAt: Int64

  /// The challenge, when it can be answered still.
  static func find(_ db: Database, _ challenge: Data, now: Int64) throws -> ChallengeRow? {
    try fetchOne(db, key: challenge).flatMap {
      (0..<lifetime).contains(now - $0.createdAt) ? $0 : nil
    }
  }
}

extension SQLiteManagementStore {
  func provisioningOffer(for catalog: CatalogReference) async throws -> ProvisioningOffer {
    try await write { [self] db, now in
      let key = try CatalogKeyRow.require(db, of: CatalogRow.require(db, catalog))
      let challenge = SymmetricKey(size: .init(bitCount: 8 * ChallengeRow.size))
        .withUnsafeBytes { Data($0) }
      let oldest = now - ChallengeRow.lifetime
      try db.execute(literal: "DELETE FROM challenges WHERE createdAt <= \(oldest)")
      try ChallengeRow(challenge: challenge, catalogKeyId: key.id, createdAt: now).insert(db)
      return ProvisioningOffer(
        signingKey: try signingKey(db, key.id).publicKey.rawRepresentation,
        claimKey: try claimKey(db).publicKey.rawRepresentation, challenge: challenge)
    }
  }

  func register(_ device: DeviceID, _ proof: DeviceIdentityProof) async throws
    -> (Registration, WriteOutcome)
  {
    guard
      let publicKey = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: proof.publicKey),
      DeviceIdentity.id(of: publicKey) == device.bytes
    else { throw ServiceFailure.otherIdentity(device) }
    return try await write { [self] db, now in
      let challenge = try ChallengeRow.find(db, proof.challenge, now: now)
      if let found = try RegistrationRow.fetchOne(db, key: device.text) {
        guard challenge?.catalogKeyId ?? found.catalogKeyId == found.catalogKeyId else {
          throw ServiceFailure.provisionedElsewhere(device)
        }
        return (try found.registration(db), .replaced)
      }
      guard var challenge, challenge.device ?? device.text == device.text else {
        throw ServiceFailure.challengeUnknown
      }
      let signingKey = try signingKey(db, challenge.catalogKeyId).publicKey.rawRepresentation
      guard
        DeviceIdentity.verify(
          publicKey: publicKey, encapsulatedKey: Array(proof.enc), proof: Array(proof.proof),
          claimKey: try claimKey(db), challenge: Array(challenge.challenge),
          signingKey: Array(signingKey))
      else { throw ServiceFailure.proofInvalid(device) }
      try refuseClaimed(db, device, elsewhereThan: challenge.catalogKeyId)
      challenge.device = device.text
      try challenge.update(db)
      let row = RegistrationRow(
        device: device.text, publicKey: proof.publicKey, catalogKeyId: challenge.catalogKeyId,
        registeredAt: now)
      try row.insert(db)
      return (try row.registration(db), .created)
    }
  }

  /// Refuses a device that was claimed by its id alone, into another catalog.
  private func refuseClaimed(_ db: Database, _ device: DeviceID, elsewhereThan key: String) throws {
    guard let row = try DeviceRow.fetchOne(db, key: device.text),
      let place = try LocatedGroup.find(db, groupID: row.deviceGroupId),
      try CatalogKeyRow.require(db, of: place.catalog).id != key
    else { return }
    throw ServiceFailure.conflict(
      code: "DeviceAlreadyClaimed",
      "The device \(device.text.prefix(8))... is claimed into the catalog '\(place.catalog.name)'. "
        + "Unclaim it there first (martlet device unclaim), or provision it for that one.",
      target: device.text)
  }
}
