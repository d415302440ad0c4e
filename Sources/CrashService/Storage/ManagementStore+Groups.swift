// Device groups; a change of consent or boundary raises the epoch of every device in the group.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  func putDeviceGroup(_ group: DeviceGroupReference, _ change: DeviceGroupChange, by author: String)
    async throws -> (DeviceGroupRecord, WriteOutcome)
  {
    try await write { db, now in
      let catalog = try CatalogRow.require(db, group.product.catalog)
      let product = try ProductRow.require(db, group.product.name, in: catalog)
      let found = try DeviceGroupRow.find(db, group.name, in: product)
      var row = DeviceGroupRow(
        id: found?.id ?? Self.newID(), productId: product.id, name: found?.name ?? group.name,
        properties: DeviceGroupProperties(),
        authorship: found?.authorship ?? Authorship(by: author, at: now))
      row.retention = found?.retention ?? row.retention
      row.hasDeployment = found?.hasDeployment ?? false
      row.merge(change.properties, by: author, at: now)
      try Self.keepPeriod(db, row)
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

  /// Makes those of the five usual groups that a product has not.
  /// - Returns: all five, by name; those that were there as they were.
  func putDefaultDeviceGroups(in product: ProductReference, by author: String) async throws
    -> [DeviceGroupRecord]
  {
    try await write { db, now in
      let catalog = try CatalogRow.require(db, product.catalog)
      let row = try ProductRow.require(db, product.name, in: catalog)
      return try Self.defaultGroups.map { name, properties in
        let found = try DeviceGroupRow.find(db, name, in: row)
        let group =
          found
          ?? DeviceGroupRow(
            id: Self.newID(), productId: row.id, name: name, properties: properties,
            authorship: Authorship(by: author, at: now))
        if found == nil { try group.insert(db) }
        return try group.record(in: row.reference(in: catalog))
      }
    }
  }

  /// As the platform makes them, by name. Consent is off in all of them.
  private static let defaultGroups: [(String, DeviceGroupProperties)] = [
    (
      "Development",
      .init(
        description: "Default development device group", updatePolicy: .no3rdPartyAppUpdates)
    ),
    ("Field Test", .init(description: "Default test device group")),
    (
      "Field Test OS Evaluation",
      .init(description: "Default field test OS evaluation device group", osFeedType: .retailEval)
    ),
    ("Production", .init(description: "Default production device group")),
    (
      "Production OS Evaluation",
      .init(description: "Default production OS evaluation device group", osFeedType: .retailEval)
    ),
  ]

  func patchDeviceGroup(
    _ group: DeviceGroupReference, _ change: DeviceGroupChange, by author: String
  )
    async throws -> DeviceGroupRecord
  {
    try await write { db, now in
      let found = try LocatedGroup.require(db, group)
      var row = found.group
      row.merge(change.properties, by: author, at: now)
      try Self.keepPeriod(db, row)
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
      return try db.rows(
        """
        SELECT * FROM deviceGroups WHERE productId = \(row.id) AND name NOT LIKE '.%'\(page.condition)
        ORDER BY lower(name) \(page.sql)
        """
      ).map { try DeviceGroupRow($0).record(in: row.reference(in: catalog)) }
    }
  }

  /// - Parameter name: `nil` lists those of every name.
  func deviceGroups(in catalog: CatalogReference, named name: String? = nil, page: Page)
    async throws -> [DeviceGroupRecord]
  {
    try await read { db in
      let named: SQLText =
        name.map { " AND lower(deviceGroups.name) = \($0.asciiLowercased)" } ?? ""
      let row = try CatalogRow.require(db, catalog)
      return try db.rows(
        """
        SELECT deviceGroups.*, products.name AS productName
        FROM deviceGroups JOIN products ON products.id = productId
        WHERE catalogId = \(row.id) AND deviceGroups.name NOT LIKE '.%'\(named)\(page.condition)
        ORDER BY lower(products.name), lower(deviceGroups.name) \(page.sql)
        """
      ).map {
        try DeviceGroupRow($0).record(
          in: ProductReference(catalog: row.reference, name: $0["productName"]))
      }
    }
  }

  /// Refuses with 409 while devices are in it. False when there was none.
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
      return try db.run("DELETE FROM deviceGroups WHERE id = \(row.id)") > 0
    }
  }
}

/// Raises the epoch of each device whose id `devices` selects.
func raiseEpochs(_ db: any SQLConnection, of devices: SQLText) throws {
  try db.run(
    """
    INSERT INTO consentEpochs (device, epoch) SELECT id, 1 FROM (\(devices)) AS raised WHERE true
    ON CONFLICT (device) DO UPDATE SET epoch = consentEpochs.epoch + 1
    """)
}

private func raiseEpochsIfConsentChanged(
  _ db: any SQLConnection, from before: DeviceGroupRow, to after: DeviceGroupRow
) throws {
  // What was sealed for one region is not stored in another, so a new boundary is a new consent.
  guard
    before.consent != after.consent || before.regionalDataBoundary != after.regionalDataBoundary
  else { return }
  try raiseEpochs(db, of: "SELECT id FROM devices WHERE deviceGroupId = \(after.id)")
}

func devicesCount(_ db: any SQLConnection, inGroup id: String) throws -> Int {
  try db.value("SELECT count(*) AS value FROM devices WHERE deviceGroupId = \(id)") ?? 0
}

func devicesCount(_ db: any SQLConnection, inProduct id: String) throws -> Int {
  try db.value(
    """
    SELECT count(*) AS value FROM devices JOIN deviceGroups ON deviceGroups.id = deviceGroupId
    WHERE productId = \(id)
    """) ?? 0
}
