// Devices in SQLite: claiming, moving, looking.

import Foundation
import GRDB
import ServiceAPI

struct DeviceRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "devices"

  var id: String
  var deviceGroupId: String
  var claimedAt: Int64

  func record(in group: DeviceGroupReference) -> DeviceRecord? {
    DeviceID(id).map {
      DeviceRecord(id: $0, group: group, claimedAt: date(milliseconds: claimedAt))
    }
  }
}

extension SQLiteManagementStore {
  // MARK: - Claiming and moving

  func claim(_ devices: [DeviceID], into group: DeviceGroupReference) async throws -> String {
    try await write { db, now in
      let target = try LocatedGroup.require(db, group)
      let signingKey = try CatalogKeyRow.require(db, of: target.catalog)
      for device in devices {
        let found = try DeviceRow.fetchOne(db, key: device.text)
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
        let registration = try RegistrationRow.fetchOne(db, key: device.text)
        guard registration?.catalogKeyId ?? signingKey.id == signingKey.id else {
          throw ServiceFailure.provisionedElsewhere(device)
        }
        try DeviceRow(
          id: device.text, deviceGroupId: target.group.id, claimedAt: found?.claimedAt ?? now
        ).upsert(db)
        try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      }
      let operation = Self.newID()
      let dayAgo = now - 86_400_000
      try db.execute(literal: "DELETE FROM operations WHERE createdAt < \(dayAgo)")
      try db.execute(
        literal: "INSERT INTO operations (id, createdAt) VALUES (\(operation), \(now))")
      return operation
    }
  }

  func move(
    _ device: DeviceID, from group: DeviceGroupReference, to target: DeviceGroupReference
  ) async throws -> DeviceRecord {
    try await write { db, _ in
      let source = try LocatedGroup.require(db, group)
      var row = try require(db, device, in: source)
      let target = try LocatedGroup.require(db, target)
      guard target.catalog.id == source.catalog.id else {
        throw ServiceFailure.invalid(
          "A device moves within its catalog only.", target: "properties.deviceGroupId")
      }
      if row.deviceGroupId != target.group.id {
        row.deviceGroupId = target.group.id
        try row.update(db)
        try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      }
      return DeviceRecord(
        id: device, group: target.reference, claimedAt: date(milliseconds: row.claimedAt))
    }
  }

  func unclaim(_ device: DeviceID, from group: DeviceGroupReference) async throws -> Bool {
    try await write { db, _ in
      let source = try LocatedGroup.require(db, group)
      guard let row = try DeviceRow.fetchOne(db, key: device.text),
        row.deviceGroupId == source.group.id
      else { return false }
      try raiseEpochs(db, of: "SELECT \(device.text) AS id")
      return try row.delete(db)
    }
  }

  func operationExists(_ id: String) async throws -> Bool {
    try await read { db in
      try SQLRequest<Int>("SELECT 1 FROM operations WHERE id = \(id)").fetchOne(db) != nil
    }
  }

  // MARK: - Looking

  func device(_ device: DeviceID, in group: DeviceGroupReference) async throws -> DeviceRecord {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      let row = try require(db, device, in: place)
      return DeviceRecord(
        id: device, group: place.reference, claimedAt: date(milliseconds: row.claimedAt))
    }
  }

  func devices(in group: DeviceGroupReference, page: Page) async throws -> [DeviceRecord] {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      let request: SQLRequest<DeviceRow> = """
        SELECT * FROM devices WHERE deviceGroupId = \(place.group.id) ORDER BY id \(page.sql)
        """
      return try request.fetchAll(db).compactMap { $0.record(in: place.reference) }
    }
  }

  func devices(in catalog: CatalogReference, page: Page) async throws -> [DeviceRecord] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      let request: SQLRequest<DeviceRow> = """
        SELECT devices.* FROM devices
        JOIN deviceGroups ON deviceGroups.id = deviceGroupId
        JOIN products ON products.id = productId
        WHERE catalogId = \(row.id) ORDER BY devices.id \(page.sql)
        """
      return try request.fetchAll(db).compactMap { device in
        guard let place = try LocatedGroup.find(db, groupID: device.deviceGroupId) else {
          return nil
        }
        return device.record(in: place.reference)
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
      let request: SQLRequest<Int> = """
        SELECT count(*) FROM devices
        JOIN deviceGroups ON deviceGroups.id = deviceGroupId
        JOIN products ON products.id = productId
        WHERE catalogId = \(row.id)
        """
      return try request.fetchOne(db) ?? 0
    }
  }
}

private func require(_ db: Database, _ device: DeviceID, in place: LocatedGroup) throws -> DeviceRow
{
  guard let row = try DeviceRow.fetchOne(db, key: device.text),
    row.deviceGroupId == place.group.id
  else {
    throw ServiceFailure.notFound(
      "The device", device.text,
      hint: "It is not in the device group '\(place.group.name)' of the product "
        + "'\(place.product.name)'.")
  }
  return row
}
