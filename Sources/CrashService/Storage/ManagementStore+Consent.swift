// How things stand with devices.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  /// How things stand with devices, all at the same moment and in their order.
  func standings(of devices: [DeviceID]) async throws -> [DeviceStanding] {
    guard !devices.isEmpty else { return [] }
    return try found(try await database.rows(statement(devices)), devices)
  }

  /// How things stand with one device.
  func standing(of device: DeviceID) async throws -> DeviceStanding {
    if let remembered = gate.remembered(device) { return remembered }
    return try await standings(of: [device]).first ?? DeviceStanding(device: device, epoch: 0)
  }

  /// Runs `body` while the standing of every device stays as it is: a change of consent, a move or
  /// a deletion commits either before `body` begins, and `body` sees it, or after it ends.
  func holdingStanding<Value: Sendable>(
    of device: DeviceID, _ body: @Sendable (DeviceStanding) async throws -> Value
  ) async throws -> Value {
    try await gate.holding(
      device,
      read: {
        try await standings(of: [device]).first ?? DeviceStanding(device: device, epoch: 0)
      }, body)
  }

  /// Adds crashes that a device did not capture for want of consent. The same nonce counts once.
  func countUncaptured(_ crashes: UInt32, device: DeviceID, nonce: [UInt8]) async throws {
    guard crashes > 0 else { return }
    let time = milliseconds(now())
    try await database.write { db in
      let isNew = try db.run(
        """
        INSERT INTO uncapturedCrashes (device, total, lastNonce, modifiedAt)
        VALUES (\(device.text), \(crashes), \(Data(nonce)), \(time))
        ON CONFLICT (device) DO UPDATE
        SET total = uncapturedCrashes.total + excluded.total, lastNonce = excluded.lastNonce,
          modifiedAt = excluded.modifiedAt
        WHERE uncapturedCrashes.lastNonce <> excluded.lastNonce
        """)
      if isNew > 0 { try Self.add(uncaptured: crashes, of: device, at: time, db) }
    }
  }

  /// Crashes that a device did not capture for want of consent, all in all.
  func uncapturedCrashes(device: DeviceID) async throws -> Int {
    try await read { db in
      try db.value("SELECT total AS value FROM uncapturedCrashes WHERE device = \(device.text)")
        ?? 0
    }
  }
}

/// One statement for all of them.
private func statement(_ devices: [DeviceID]) -> SQLText {
  let asked = devices.map { SQLText("(\($0.text))") }.joined(separator: ", ")
  return """
    WITH asked (device) AS (VALUES \(asked))
    SELECT asked.device AS asked, deviceGroupId, deviceGroups.name AS groupName,
      allowCrashDumpsCollection, regionalDataBoundary, productId, products.name AS productName,
      catalogId, catalogs.name AS catalogName, catalogs.subscription AS subscription,
      catalogs.resourceGroup AS resourceGroup, publicKey, catalogKeyId, catalogKeys.name AS keyName,
      catalogKeys.subscription AS keySubscription, catalogKeys.resourceGroup AS keyResourceGroup,
      epoch
    FROM asked
    LEFT JOIN devices ON devices.id = asked.device
    LEFT JOIN deviceGroups ON deviceGroups.id = deviceGroupId
    LEFT JOIN products ON products.id = productId
    LEFT JOIN catalogs ON catalogs.id = catalogId
    LEFT JOIN registrations ON registrations.device = asked.device
    LEFT JOIN catalogKeys ON catalogKeys.id = catalogKeyId
    LEFT JOIN consentEpochs ON consentEpochs.device = asked.device
    """
}

private func found(_ rows: [SQLRow], _ devices: [DeviceID]) throws -> [DeviceStanding] {
  let found = Dictionary(
    try rows.map { (try $0["asked"] as String, $0) }, uniquingKeysWith: { first, _ in first })
  return try devices.map { device in
    guard let row = found[device.text] else { return DeviceStanding(device: device, epoch: 0) }
    return DeviceStanding(
      device: device, placement: try placement(row, device), registration: try registration(row),
      epoch: try row["epoch"] ?? 0)
  }
}

private func registration(_ row: SQLRow) throws -> Registration? {
  guard let key: Data = try row["publicKey"] else { return nil }
  let scope = CatalogScope(
    subscription: try row["keySubscription"], resourceGroup: try row["keyResourceGroup"])
  return Registration(
    publicKey: key, signingKeyID: try row["catalogKeyId"],
    catalog: CatalogReference(scope: scope, name: try row["keyName"]))
}

private func placement(_ row: SQLRow, _ device: DeviceID) throws -> Placement? {
  guard let groupID: String = try row["deviceGroupId"] else { return nil }
  let name: String = try row["groupName"]
  guard let boundary = RegionalDataBoundary(rawValue: try row["regionalDataBoundary"]) else {
    throw ServiceFailure.storedByNewerVersion(group: name)
  }
  let scope = CatalogScope(
    subscription: try row["subscription"], resourceGroup: try row["resourceGroup"])
  let catalog = CatalogReference(scope: scope, name: try row["catalogName"])
  return Placement(
    device: device,
    group: DeviceGroupReference(
      product: ProductReference(catalog: catalog, name: try row["productName"]), name: name),
    catalogID: try row["catalogId"], productID: try row["productId"], groupID: groupID,
    // A word that is not known means no.
    consent: CrashDumpsCollection(rawValue: try row["allowCrashDumpsCollection"]) ?? .disabled,
    boundary: boundary)
}
