// The rows of the management store and how records are made of them.

import Foundation
import SQLStorage
import ServiceAPI

struct CatalogRow: Sendable {
  var id: String
  var subscription: String
  var resourceGroup: String
  var name: String
  var location: String
  var tags: String
  var authorship: Authorship

  var reference: CatalogReference {
    CatalogReference(
      scope: CatalogScope(subscription: subscription, resourceGroup: resourceGroup), name: name)
  }

  var record: CatalogRecord {
    get throws {
      CatalogRecord(
        id: id, reference: reference, location: location,
        tags: try ServiceJSON.decoder().decode([String: String].self, from: Data(tags.utf8)),
        authorship: authorship)
    }
  }

  static func find(_ db: any SQLConnection, _ catalog: CatalogReference) throws -> CatalogRow? {
    try db.row(
      """
      SELECT * FROM catalogs WHERE lower(subscription) = \(catalog.scope.subscription.asciiLowercased)
      AND lower(resourceGroup) = \(catalog.scope.resourceGroup.asciiLowercased)
      AND lower(name) = \(catalog.name.asciiLowercased)
      """
    ).map(CatalogRow.init)
  }

  static func find(_ db: any SQLConnection, id: String) throws -> CatalogRow? {
    try db.row("SELECT * FROM catalogs WHERE id = \(id)").map(CatalogRow.init)
  }

  static func require(_ db: any SQLConnection, _ catalog: CatalogReference) throws -> CatalogRow {
    guard let row = try find(db, catalog) else {
      throw ServiceFailure.notFound(
        "The catalog", catalog.name,
        hint: "In the resource group '\(catalog.scope.resourceGroup)' it can be made with "
          + "martlet catalog create --name \(catalog.name).")
    }
    return row
  }

  func insert(_ db: any SQLConnection) throws {
    try db.run(
      """
      INSERT INTO catalogs (id, subscription, resourceGroup, name, location, tags,
        \(Authorship.columns))
      VALUES (\(id), \(subscription), \(resourceGroup), \(name), \(location), \(tags),
        \(authorship.values))
      """)
  }

  /// Writes what may change.
  func update(_ db: any SQLConnection) throws {
    try db.run(
      """
      UPDATE catalogs SET location = \(location), tags = \(tags), \(authorship.update)
      WHERE id = \(id)
      """)
  }
}

extension CatalogRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    id = try row["id"]
    subscription = try row["subscription"]
    resourceGroup = try row["resourceGroup"]
    name = try row["name"]
    location = try row["location"]
    tags = try row["tags"]
    authorship = try Authorship(row)
  }
}

struct ProductRow: Sendable {
  var id: String
  var catalogId: String
  var name: String
  var description: String
  var authorship: Authorship

  func reference(in catalog: CatalogRow) -> ProductReference {
    ProductReference(catalog: catalog.reference, name: name)
  }

  func record(in catalog: CatalogRow) -> ProductRecord {
    ProductRecord(
      id: id, reference: reference(in: catalog), description: description,
      authorship: authorship)
  }

  static func find(_ db: any SQLConnection, _ name: String, in catalog: CatalogRow) throws
    -> ProductRow?
  {
    try db.row(
      """
      SELECT * FROM products WHERE catalogId = \(catalog.id) AND lower(name) = \(name.asciiLowercased)
      """
    ).map(ProductRow.init)
  }

  static func find(_ db: any SQLConnection, id: String) throws -> ProductRow? {
    try db.row("SELECT * FROM products WHERE id = \(id)").map(ProductRow.init)
  }

  static func require(_ db: any SQLConnection, _ name: String, in catalog: CatalogRow) throws
    -> ProductRow
  {
    guard let row = try find(db, name, in: catalog) else {
      throw ServiceFailure.notFound(
        "The product", name, hint: "The catalog '\(catalog.name)' has none of that name.")
    }
    return row
  }

  func insert(_ db: any SQLConnection) throws {
    try db.run(
      """
      INSERT INTO products (id, catalogId, name, description, \(Authorship.columns))
      VALUES (\(id), \(catalogId), \(name), \(description), \(authorship.values))
      """)
  }

  /// Writes what may change.
  func update(_ db: any SQLConnection) throws {
    try db.run(
      """
      UPDATE products SET description = \(description), \(authorship.update) WHERE id = \(id)
      """)
  }
}

extension ProductRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    id = try row["id"]
    catalogId = try row["catalogId"]
    name = try row["name"]
    description = try row["description"]
    authorship = try Authorship(row)
  }
}

/// A device group with the product and the catalog it is in.
struct LocatedGroup: Sendable {
  var catalog: CatalogRow
  var product: ProductRow
  var group: DeviceGroupRow

  var productReference: ProductReference { product.reference(in: catalog) }

  var reference: DeviceGroupReference {
    DeviceGroupReference(product: productReference, name: group.name)
  }

  static func require(_ db: any SQLConnection, _ group: DeviceGroupReference) throws -> LocatedGroup
  {
    let catalog = try CatalogRow.require(db, group.product.catalog)
    let product = try ProductRow.require(db, group.product.name, in: catalog)
    guard let row = try DeviceGroupRow.find(db, group.name, in: product) else {
      throw ServiceFailure.notFound(
        "The device group", group.name, hint: "The product '\(product.name)' has none of that name."
      )
    }
    return LocatedGroup(catalog: catalog, product: product, group: row)
  }

  static func find(_ db: any SQLConnection, groupID: String) throws -> LocatedGroup? {
    guard let group = try DeviceGroupRow.find(db, id: groupID),
      let product = try ProductRow.find(db, id: group.productId),
      let catalog = try CatalogRow.find(db, id: product.catalogId)
    else { return nil }
    return LocatedGroup(catalog: catalog, product: product, group: group)
  }
}
