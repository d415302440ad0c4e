// Devices' public keys, and the challenges that they answered.

import Crypto
import DumpOpening
import Foundation
import SQLStorage
import ServiceAPI

struct RegistrationRow: Sendable {
  var publicKey: Data
  var catalogKeyId: String

  /// The catalog that had the key.
  var catalog: CatalogReference

  var registration: Registration {
    Registration(publicKey: publicKey, signingKeyID: catalogKeyId, catalog: catalog)
  }

  static func find(_ db: any SQLConnection, _ device: DeviceID) throws -> RegistrationRow? {
    try db.row(
      """
      SELECT publicKey, catalogKeyId, subscription, resourceGroup, name
      FROM registrations JOIN catalogKeys ON catalogKeys.id = catalogKeyId
      WHERE device = \(device.text)
      """
    ).map(RegistrationRow.init)
  }
}

extension RegistrationRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    publicKey = try row["publicKey"]
    catalogKeyId = try row["catalogKeyId"]
    catalog = CatalogReference(
      scope: CatalogScope(
        subscription: try row["subscription"], resourceGroup: try row["resourceGroup"]),
      name: try row["name"])
  }
}

private struct ChallengeRow: Sendable {
  /// How long a challenge can be answered, milliseconds: ten minutes.
  static let lifetime: Int64 = 600_000
  static let size = 16

  var challenge: Data
  var catalogKeyId: String
  /// Who answered it.
  var device: String?

  /// The challenge, when it can be answered still.
  static func find(_ db: any SQLConnection, _ challenge: Data, now: Int64) throws -> ChallengeRow? {
    guard let row = try db.row("SELECT * FROM challenges WHERE challenge = \(challenge)"),
      (0..<lifetime).contains(now - (try row["createdAt"] as Int64))
    else { return nil }
    return ChallengeRow(
      challenge: challenge, catalogKeyId: try row["catalogKeyId"], device: try row["device"])
  }
}

extension ManagementStore {
  /// What a board needs to know to belong to a catalog, with a new challenge.
  func provisioningOffer(for catalog: CatalogReference) async throws -> ProvisioningOffer {
    let now = milliseconds(now())
    // A challenge changes nothing that is agreed about a device.
    return try await database.write { [self] db in
      let key = try CatalogKeyRow.require(db, of: CatalogRow.require(db, catalog))
      let challenge = SymmetricKey(size: .init(bitCount: 8 * ChallengeRow.size))
        .withUnsafeBytes { Data($0) }
      let oldest = now - ChallengeRow.lifetime
      try db.run("DELETE FROM challenges WHERE createdAt <= \(oldest)")
      try db.run(
        """
        INSERT INTO challenges (challenge, catalogKeyId, createdAt)
        VALUES (\(challenge), \(key.id), \(now))
        """)
      return ProvisioningOffer(
        signingKey: try signingKey(db, key.id).publicKey.rawRepresentation,
        claimKey: try claimKey(db).publicKey.rawRepresentation, challenge: challenge)
    }
  }

  /// Registers a device's public key. 409 when it is registered or claimed elsewhere, or the challenge
  /// is not known any more; 422 when the proof does not hold.
  func register(_ device: DeviceID, _ proof: DeviceIdentityProof) async throws
    -> (Registration, WriteOutcome)
  {
    guard
      let publicKey = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: proof.publicKey),
      DeviceIdentity.id(of: publicKey) == device.bytes
    else { throw ServiceFailure.otherIdentity(device) }
    return try await write(changing: .devices([device])) { [self] db, now in
      let challenge = try ChallengeRow.find(db, proof.challenge, now: now)
      if let found = try RegistrationRow.find(db, device) {
        guard challenge?.catalogKeyId ?? found.catalogKeyId == found.catalogKeyId else {
          throw ServiceFailure.provisionedElsewhere(device)
        }
        return (found.registration, .replaced)
      }
      guard let challenge, challenge.device ?? device.text == device.text else {
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
      try db.run(
        """
        UPDATE challenges SET device = \(device.text) WHERE challenge = \(challenge.challenge)
        """)
      try db.run(
        """
        INSERT INTO registrations (device, publicKey, catalogKeyId, registeredAt)
        VALUES (\(device.text), \(proof.publicKey), \(challenge.catalogKeyId), \(now))
        """)
      guard let row = try RegistrationRow.find(db, device) else {
        throw SQLFailure(code: .unexpectedValue, message: "a registration was not found again")
      }
      return (row.registration, .created)
    }
  }

  /// Refuses a device that was claimed by its id alone, into another catalog.
  private func refuseClaimed(
    _ db: any SQLConnection, _ device: DeviceID, elsewhereThan key: String
  ) throws {
    guard let row = try DeviceRow.find(db, device),
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
