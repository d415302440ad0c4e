// Catalogs and device groups by their GUIDs, as the older public API names them.

import SQLStorage
import ServiceAPI

/// A device group with the GUIDs of what it is in.
struct TenantGroupRecord: Sendable {
  var catalogID: String
  var productID: String
  var group: DeviceGroupRecord

  var resource: TenantGroup {
    TenantGroup(
      id: group.id, tenantID: catalogID, productID: productID, name: group.reference.name,
      properties: group.properties)
  }
}

extension ManagementStore {
  /// The catalog with that id, when it is among somebody's.
  /// - Throws: ``ServiceFailure`` with 404.
  func catalog(id: String, in grant: CatalogGrant) async throws -> CatalogRecord {
    try await read { db in
      guard let row = try CatalogRow.find(db, id: id.asciiLowercased),
        grant.includes(row.reference)
      else {
        throw ServiceFailure.notFound(
          "The tenant", String(id.prefix(60)), hint: "GET /v2/tenants lists those that there are.")
      }
      return try row.record
    }
  }

  /// Every group of a catalog that its owner made, by product and name.
  func tenantGroups(ofCatalog id: String) async throws -> [TenantGroupRecord] {
    try await read { db in
      guard let catalog = try CatalogRow.find(db, id: id) else { return [] }
      return try db.rows(
        """
        SELECT deviceGroups.*, products.name AS productName
        FROM deviceGroups JOIN products ON products.id = productId
        WHERE catalogId = \(id) AND deviceGroups.name NOT LIKE '.%'
        ORDER BY lower(products.name), lower(deviceGroups.name)
        """
      ).map {
        let row = try DeviceGroupRow($0)
        let product = ProductReference(catalog: catalog.reference, name: try $0["productName"])
        return TenantGroupRecord(
          catalogID: id, productID: row.productId, group: try row.record(in: product))
      }
    }
  }

  /// The group with that id in a catalog.
  /// - Throws: ``ServiceFailure`` with 404.
  func tenantGroup(_ id: String, ofCatalog catalogID: String) async throws -> TenantGroupRecord {
    try await read { db in
      guard let found = try LocatedGroup.find(db, groupID: id.asciiLowercased),
        found.catalog.id == catalogID, !found.group.name.hasPrefix(".")
      else {
        throw ServiceFailure.notFound(
          "The device group", String(id.prefix(60)), hint: "The tenant has none with that id.")
      }
      return TenantGroupRecord(
        catalogID: catalogID, productID: found.product.id,
        group: try found.group.record(in: found.productReference))
    }
  }
}
