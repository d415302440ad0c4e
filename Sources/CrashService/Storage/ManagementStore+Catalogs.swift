// Catalogs and products.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  // MARK: - Catalogs

  func putCatalog(_ catalog: CatalogReference, _ change: CatalogChange, by author: String)
    async throws -> (CatalogRecord, WriteOutcome)
  {
    try await write { [self] db, now in
      let tags = try tagText(change.tags?.applied(to: [:]) ?? [:])
      let location = change.location ?? "global"
      if var row = try CatalogRow.find(db, catalog) {
        row.location = location
        row.tags = tags
        row.authorship.change(by: author, at: now)
        try row.update(db)
        return (try row.record, .replaced)
      }
      let authorship = Authorship(by: author, at: now)
      let row = CatalogRow(
        id: Self.newID(), subscription: catalog.scope.subscription,
        resourceGroup: catalog.scope.resourceGroup, name: catalog.name, location: location,
        tags: tags, authorship: authorship)
      try row.insert(db)
      try makeSigningKey(db, for: row)
      let product = ProductRow(
        id: Self.newID(), catalogId: row.id, name: ProductReference.defaultName, description: "",
        authorship: authorship)
      try product.insert(db)
      try DeviceGroupRow(
        id: Self.newID(), productId: product.id, name: DeviceGroupReference.unassignedName,
        properties: DeviceGroupProperties(), authorship: authorship
      ).insert(db)
      return (try row.record, .created)
    }
  }

  func patchCatalog(_ catalog: CatalogReference, _ change: CatalogChange, by author: String)
    async throws -> CatalogRecord
  {
    try await write { db, now in
      var row = try CatalogRow.require(db, catalog)
      if let tags = change.tags { row.tags = try tagText(tags.applied(to: row.record.tags)) }
      row.authorship.change(by: author, at: now)
      try row.update(db)
      return try row.record
    }
  }

  func catalog(_ catalog: CatalogReference) async throws -> CatalogRecord {
    try await read { try CatalogRow.require($0, catalog).record }
  }

  /// Those catalogs that somebody may see.
  /// - Parameters:
  ///   - subscription: `nil` lists those of every subscription.
  ///   - resourceGroup: `nil` lists those of every resource group.
  func catalogs(
    subscription: String? = nil, resourceGroup: String? = nil, in grant: CatalogGrant = .all,
    page: Page
  ) async throws -> [CatalogRecord] {
    try await read { db in
      var request: SQLText = "SELECT * FROM catalogs WHERE 1 = 1\(page.condition)"
      if let subscription {
        request += " AND lower(subscription) = \(subscription.asciiLowercased)"
      }
      if let resourceGroup {
        request += " AND lower(resourceGroup) = \(resourceGroup.asciiLowercased)"
      }
      request +=
        " AND \(grant.condition) ORDER BY lower(name), lower(resourceGroup), id \(page.sql)"
      return try db.rows(request).map { try CatalogRow($0).record }
    }
  }

  /// Deletes everything in the catalog and unclaims its devices. Its signing key stays, so that denials
  /// can be signed, and so that a catalog made again under that name has it. False when there was none.
  func deleteCatalog(_ catalog: CatalogReference) async throws -> Bool {
    try await write { db, _ in
      guard let row = try CatalogRow.find(db, catalog) else { return false }
      try raiseEpochs(
        db,
        of: """
          SELECT devices.id FROM devices
          JOIN deviceGroups ON deviceGroups.id = deviceGroupId
          JOIN products ON products.id = productId WHERE catalogId = \(row.id)
          """)
      let key = try CatalogKeyRow.require(db, of: row)
      try db.run("DELETE FROM challenges WHERE catalogKeyId = \(key.id)")
      return try db.run("DELETE FROM catalogs WHERE id = \(row.id)") > 0
    }
  }

  // MARK: - Products

  func putProduct(_ product: ProductReference, _ change: ProductChange, by author: String)
    async throws -> (ProductRecord, WriteOutcome)
  {
    try await write { db, now in
      let catalog = try CatalogRow.require(db, product.catalog)
      let description = change.properties?.description ?? ""
      if var row = try ProductRow.find(db, product.name, in: catalog) {
        row.description = description
        row.authorship.change(by: author, at: now)
        try row.update(db)
        return (row.record(in: catalog), .replaced)
      }
      let row = ProductRow(
        id: Self.newID(), catalogId: catalog.id, name: product.name, description: description,
        authorship: Authorship(by: author, at: now))
      try row.insert(db)
      return (row.record(in: catalog), .created)
    }
  }

  func patchProduct(_ product: ProductReference, _ change: ProductChange, by author: String)
    async throws -> ProductRecord
  {
    try await write { db, now in
      let catalog = try CatalogRow.require(db, product.catalog)
      var row = try ProductRow.require(db, product.name, in: catalog)
      if let description = change.properties?.description { row.description = description }
      row.authorship.change(by: author, at: now)
      try row.update(db)
      return row.record(in: catalog)
    }
  }

  func product(_ product: ProductReference) async throws -> ProductRecord {
    try await read { db in
      let catalog = try CatalogRow.require(db, product.catalog)
      return try ProductRow.require(db, product.name, in: catalog).record(in: catalog)
    }
  }

  func products(in catalog: CatalogReference, page: Page) async throws -> [ProductRecord] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return try db.rows(
        """
        SELECT * FROM products WHERE catalogId = \(row.id) AND name NOT LIKE '.%'\(page.condition)
        ORDER BY lower(name) \(page.sql)
        """
      ).map { try ProductRow($0).record(in: row) }
    }
  }

  /// Refuses with 409 while devices are in it. False when there was none.
  func deleteProduct(_ product: ProductReference) async throws -> Bool {
    try await write { db, _ in
      let catalog = try CatalogRow.require(db, product.catalog)
      guard let row = try ProductRow.find(db, product.name, in: catalog) else { return false }
      let devices = try devicesCount(db, inProduct: row.id)
      guard devices == 0 else {
        throw ServiceFailure.conflict(
          code: "ProductNotEmpty",
          "\(devices) device(s) are in groups of the product '\(row.name)'. Move them to another "
            + "group first.",
          target: row.name)
      }
      return try db.run("DELETE FROM products WHERE id = \(row.id)") > 0
    }
  }
}

private func tagText(_ tags: [String: String]) throws -> String {
  String(decoding: try ServiceJSON.encoder().encode(tags), as: UTF8.self)
}
