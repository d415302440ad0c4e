// Device groups in SQLite; a change of consent or boundary raises the epoch of every device in the group.

import Foundation
import GRDB
import ServiceAPI

extension SQLiteManagementStore {
  func putDeviceGroup(_ group: DeviceGroupReference, _ change: DeviceGroupChange) async throws
    -> (DeviceGroupRecord, WriteOutcome)
  {
    try await write { db, now in
      let catalog = try CatalogRow.require(db, group.product.catalog)
      let product = try ProductRow.require(db, group.product.name, in: catalog)
      let found = try DeviceGroupRow.find(db, group.name, in: product)
      var row = DeviceGroupRow(
        id: found?.id ?? Self.newID(), productId: product.id, name: found?.name ?? group.name,
        properties: DeviceGroupProperties(), createdAt: found?.createdAt ?? now)
      row.merge(change.properties, now: now)
      if let found {
        try row.update(db)
        try raiseEpochsIfConsentChanged(db, from: found, to: row)
      } else {
        try row.insert(db)
      }
      let record = try row.record(in: product.reference(in: catalog))
      return (record, found == nil ? .created : .replaced)
    }
  }

  func patchDeviceGroup(_ group: DeviceGroupReference, _ change: DeviceGroupChange) async throws
    -> DeviceGroupRecord
  {
    try await write { db, now in
      let found = try LocatedGroup.require(db, group)
      var row = found.group
      row.merge(change.properties, now: now)
      try row.update(db)
      try raiseEpochsIfConsentChanged(db, from: found.group, to: row)
      return try row.record(in: found.productReference)
    }
  }

  func deviceGroup(_ group: DeviceGroupReference) async throws -> DeviceGroupRecord {
    try await read { db in
      let found = try LocatedGroup.require(db, group)
      return try found.group.record(in: found.productReference)
    }
  }

  func deviceGroups(in product: ProductReference, page: Page) async throws -> [DeviceGroupRecord] {
    try await read { db in
      let catalog = try CatalogRow.require(db, product.catalog)
      let row = try ProductRow.require(db, product.name, in: catalog)
      let request: SQLRequest<DeviceGroupRow> = """
        SELECT * FROM deviceGroups WHERE productId = \(row.id) AND name NOT LIKE '.%'
        ORDER BY name \(page.sql)
        """
      return try request.fetchAll(db).map { try $0.record(in: row.reference(in: catalog)) }
    }
  }

  func deviceGroups(in catalog: CatalogReference, page: Page) async throws -> [DeviceGroupRecord] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      let request: SQLRequest<DeviceGroupRow> = """
        SELECT deviceGroups.* FROM deviceGroups JOIN products ON products.id = productId
        WHERE catalogId = \(row.id) AND deviceGroups.name NOT LIKE '.%'
        ORDER BY products.name, deviceGroups.name \(page.sql)
        """
      return try request.fetchAll(db).compactMap { group in
        guard let product = try ProductRow.fetchOne(db, key: group.productId) else { return nil }
        return try group.record(in: product.reference(in: row))
      }
    }
  }

  func deleteDeviceGroup(_ group: DeviceGroupReference) async throws -> Bool {
    try await write { db, _ in
      let catalog = try CatalogRow.require(db, group.product.catalog)
      let product = try ProductRow.require(db, group.product.name, in: catalog)
      guard let row = try DeviceGroupRow.find(db, group.name, in: product) else { return false }
      let devices = try devicesCount(db, inGroup: row.id)
      guard devices == 0 else {
        throw ServiceFailure.conflict(
          code: "DeviceGroupNotEmpty",
          "\(devices) device(s) are in the device group '\(row.name)'. Move them to another group "
            + "first.",
          target: row.name)
      }
      return try row.delete(db)
    }
  }
}

/// Raises the epoch of each device whose id `devices` selects.
func raiseEpochs(_ db: Database, of devices: SQL) throws {
  try db.execute(
    literal: """
      INSERT INTO consentEpochs (device, epoch) SELECT id, 1 FROM (\(devices)) WHERE true
      ON CONFLICT (device) DO UPDATE SET epoch = epoch + 1
      """)
}

private func raiseEpochsIfConsentChanged(
  _ db: Database, from before: DeviceGroupRow, to after: DeviceGroupRow
) throws {
  // What was sealed for one region is not stored in another, so a new boundary is a new consent.
  guard
    before.consent != after.consent || before.regionalDataBoundary != after.regionalDataBoundary
  else { return }
  try raiseEpochs(db, of: "SELECT id FROM devices WHERE deviceGroupId = \(after.id)")
}

func devicesCount(_ db: Database, inGroup id: String) throws -> Int {
  try SQLRequest<Int>("SELECT count(*) FROM devices WHERE deviceGroupId = \(id)").fetchOne(db) ?? 0
}

func devicesCount(_ db: Database, inProduct id: String) throws -> Int {
  let request: SQLRequest<Int> = """
    SELECT count(*) FROM devices JOIN deviceGroups ON deviceGroups.id = deviceGroupId
    WHERE productId = \(id)
    """
  return try request.fetchOne(db) ?? 0
}
