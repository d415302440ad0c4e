// Devices: claiming, moving, looking.

import Foundation
import SQLStorage
import ServiceAPI

struct DeviceRow: Sendable {
  var id: String
  var deviceGroupId: String
  var authorship: Authorship

  func record(in group: DeviceGroupReference) -> DeviceRecord? {
    DeviceID(id).map {
      DeviceRecord(id: $0, group: group, authorship: authorship)
    }
  }

  static func find(_ db: any SQLConnection, _ device: DeviceID) throws -> DeviceRow? {
    try db.row("SELECT * FROM devices WHERE id = \(device.text)").map(DeviceRow.init)
  }
}

extension DeviceRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    id = try row["id"]
    deviceGroupId = try row["deviceGroupId"]
    authorship = try Authorship(row)
  }
}

extension ManagementStore {
  // MARK: - Claiming and moving

  /// Claims devices into a group. One that is in the group already stays as it is, one from another
  /// group of the same catalog moves. All or none: 409 when one belongs to another catalog, or was
  /// provisioned for another.
  /// - Returns: the number of the operation.
  func claim(_ devices: [DeviceID], into group: DeviceGroupReference, by author: String)
    async throws -> String
  {
    try await write(changing: .devices(devices)) { db, now in
      let target = try LocatedGroup.require(db, group)
      let signingKey = try CatalogKeyRow.require(db, of: target.catalog)
      for device in devices {
        let found = try DeviceRow.find(db, device)
        if let found {
          if found.deviceGroupId == target.group.id { continue }
          let place = try LocatedGroup.find(db, groupID: found.deviceGroupId)
          guard place?.catalog.id == target.catalog.id else {
            throw ServiceFailure.conflict(
              code: "DeviceAlreadyClaimed",
              "The device \(device.text.prefix(8))... is claimed into another catalog. Nothing was "
                + "claimed.",
              target: device.text)
          }
        }
        let registration = try RegistrationRow.find(db, device)
        guard registration?.catalogKeyId ?? signingKey.id == signingKey.id else {
          throw ServiceFailure.provisionedElsewhere(device)
        }
        try db.run(
          """
          INSERT INTO devices (id, deviceGroupId, \(Authorship.columns))
          VALUES (\(device.text), \(target.group.id), \(Authorship(by: author, at: now).values))
          ON CONFLICT (id) DO UPDATE SET deviceGroupId = excluded.deviceGroupId,
            modifiedBy = excluded.modifiedBy, modifiedAt = excluded.modifiedAt
          """)
        try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      }
      return try Self.beginOperation(db, now)
    }
  }

  /// Writes down an operation, which is done already.
  /// - Returns: its number.
  func beginOperation() async throws -> String {
    try await write { db, now in try Self.beginOperation(db, now) }
  }

  private static func beginOperation(_ db: any SQLConnection, _ now: Int64) throws -> String {
    let operation = newID()
    let dayAgo = now - 86_400_000
    try db.run("DELETE FROM operations WHERE createdAt < \(dayAgo)")
    try db.run("INSERT INTO operations (id, createdAt) VALUES (\(operation), \(now))")
    return operation
  }

  func move(
    _ device: DeviceID, from group: DeviceGroupReference, to target: DeviceGroupReference,
    by author: String
  ) async throws -> DeviceRecord {
    try await write(changing: .devices([device])) { db, now in
      let source = try LocatedGroup.require(db, group)
      var row = try require(db, device, in: source)
      let target = try LocatedGroup.require(db, target)
      guard target.catalog.id == source.catalog.id else {
        throw ServiceFailure.invalid(
          "A device moves within its catalog only.", target: "properties.deviceGroupId")
      }
      if row.deviceGroupId != target.group.id {
        row.authorship.change(by: author, at: now)
        try db.run(
          """
          UPDATE devices SET deviceGroupId = \(target.group.id), \(row.authorship.update)
          WHERE id = \(device.text)
          """)
        try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      }
      return DeviceRecord(
        id: device, group: target.reference, authorship: row.authorship)
    }
  }

  /// Takes a device out of the catalog. False when it is not in that group.
  func unclaim(_ device: DeviceID, from group: DeviceGroupReference) async throws -> Bool {
    try await write(changing: .devices([device])) { db, _ in
      let source = try LocatedGroup.require(db, group)
      guard try DeviceRow.find(db, device)?.deviceGroupId == source.group.id else { return false }
      try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      return try db.run("DELETE FROM devices WHERE id = \(device.text)") > 0
    }
  }

  /// Whether an operation of that number was begun in the last day.
  func operationExists(_ id: String) async throws -> Bool {
    try await read { db in
      try db.row("SELECT id FROM operations WHERE id = \(id)") != nil
    }
  }

  // MARK: - Looking

  func device(_ device: DeviceID, in group: DeviceGroupReference) async throws -> DeviceRecord {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      let row = try require(db, device, in: place)
      return DeviceRecord(
        id: device, group: place.reference, authorship: row.authorship)
    }
  }

  func devices(in group: DeviceGroupReference, page: Page) async throws -> [DeviceRecord] {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      return try db.rows(
        """
        SELECT * FROM devices WHERE deviceGroupId = \(place.group.id)\(page.condition)
        ORDER BY id \(page.sql)
        """
      ).compactMap { try DeviceRow($0).record(in: place.reference) }
    }
  }

  func devices(in catalog: CatalogReference, page: Page) async throws -> [DeviceRecord] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return try db.rows(
        """
        SELECT devices.*, deviceGroups.name AS groupName, products.name AS productName FROM devices
        JOIN deviceGroups ON deviceGroups.id = deviceGroupId
        JOIN products ON products.id = productId
        WHERE catalogId = \(row.id)\(page.condition) ORDER BY devices.id \(page.sql)
        """
      ).compactMap {
        let product = ProductReference(catalog: row.reference, name: try $0["productName"])
        return try DeviceRow($0).record(
          in: DeviceGroupReference(product: product, name: $0["groupName"]))
      }
    }
  }

  func countDevices(in group: DeviceGroupReference) async throws -> Int {
    try await read { try devicesCount($0, inGroup: LocatedGroup.require($0, group).group.id) }
  }

  func countDevices(in product: ProductReference) async throws -> Int {
    try await read { db in
      let catalog = try CatalogRow.require(db, product.catalog)
      return try devicesCount(
        db, inProduct: ProductRow.require(db, product.name, in: catalog).id)
    }
  }

  func countDevices(in catalog: CatalogReference) async throws -> Int {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return try db.value(
        """
        SELECT count(*) AS value FROM devices
        JOIN deviceGroups ON deviceGroups.id = deviceGroupId
        JOIN products ON products.id = productId
        WHERE catalogId = \(row.id)
        """) ?? 0
    }
  }
}

private func require(_ db: any SQLConnection, _ device: DeviceID, in place: LocatedGroup) throws
  -> DeviceRow
{
  guard let row = try DeviceRow.find(db, device),
    row.deviceGroupId == place.group.id
  else {
    throw ServiceFailure.notFound(
      "The device", device.text,
      hint: "It is not in the device group '\(place.group.name)' of the product "
        + "'\(place.product.name)'.")
  }
  return row
}
