// The rows of the management store and how records are made of them.

import Foundation
import GRDB
import ServiceAPI

struct CatalogRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "catalogs"

  var id: String
  var subscription: String
  var resourceGroup: String
  var name: String
  var location: String
  var tags: String
  var createdAt: Int64
  var modifiedAt: Int64

  var reference: CatalogReference {
    CatalogReference(
      scope: CatalogScope(subscription: subscription, resourceGroup: resourceGroup), name: name)
  }

  var record: CatalogRecord {
    get throws {
      CatalogRecord(
        id: id, reference: reference, location: location,
        tags: try ServiceJSON.decoder().decode([String: String].self, from: Data(tags.utf8)),
        createdAt: date(milliseconds: createdAt), modifiedAt: date(milliseconds: modifiedAt))
    }
  }

  static func find(_ db: Database, _ catalog: CatalogReference) throws -> CatalogRow? {
    let request: SQLRequest<CatalogRow> = """
      SELECT * FROM catalogs WHERE subscription = \(catalog.scope.subscription)
      AND resourceGroup = \(catalog.scope.resourceGroup) AND name = \(catalog.name)
      """
    return try request.fetchOne(db)
  }

  static func require(_ db: Database, _ catalog: CatalogReference) throws -> CatalogRow {
    guard let row = try find(db, catalog) else {
      throw ServiceFailure.notFound(
        "The catalog", catalog.name,
        hint: "In the resource group '\(catalog.scope.resourceGroup)' it can be made with "
          + "martlet catalog create --name \(catalog.name).")
    }
    return row
  }
}

struct ProductRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "products"

  var id: String
  var catalogId: String
  var name: String
  var description: String
  var createdAt: Int64
  var modifiedAt: Int64

  func reference(in catalog: CatalogRow) -> ProductReference {
    ProductReference(catalog: catalog.reference, name: name)
  }

  func record(in catalog: CatalogRow) -> ProductRecord {
    ProductRecord(
      id: id, reference: reference(in: catalog), description: description,
      createdAt: date(milliseconds: createdAt), modifiedAt: date(milliseconds: modifiedAt))
  }

  static func find(_ db: Database, _ name: String, in catalog: CatalogRow) throws -> ProductRow? {
    let request: SQLRequest<ProductRow> = """
      SELECT * FROM products WHERE catalogId = \(catalog.id) AND name = \(name)
      """
    return try request.fetchOne(db)
  }

  static func require(_ db: Database, _ name: String, in catalog: CatalogRow) throws -> ProductRow {
    guard let row = try find(db, name, in: catalog) else {
      throw ServiceFailure.notFound(
        "The product", name, hint: "The catalog '\(catalog.name)' has none of that name.")
    }
    return row
  }
}

struct DeviceGroupRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "deviceGroups"

  var id: String
  var productId: String
  var name: String
  var description: String
  var osFeedType: String
  var updatePolicy: String
  var allowCrashDumpsCollection: String
  var regionalDataBoundary: String
  var createdAt: Int64
  var modifiedAt: Int64

  init(
    id: String, productId: String, name: String, properties: DeviceGroupProperties, createdAt: Int64
  ) {
    self.id = id
    self.productId = productId
    self.name = name
    description = properties.description
    osFeedType = properties.osFeedType.rawValue
    updatePolicy = properties.updatePolicy.rawValue
    allowCrashDumpsCollection = properties.allowCrashDumpsCollection.rawValue
    regionalDataBoundary = properties.regionalDataBoundary.rawValue
    self.createdAt = createdAt
    modifiedAt = createdAt
  }

  /// Whether dumps are collected. A word that is not known means no.
  var consent: CrashDumpsCollection {
    CrashDumpsCollection(rawValue: allowCrashDumpsCollection) ?? .disabled
  }

  /// The properties as they are, or `nil` for a word that this version does not know.
  var properties: DeviceGroupProperties? {
    guard let feed = OSFeedType(rawValue: osFeedType),
      let policy = UpdatePolicy(rawValue: updatePolicy),
      let boundary = RegionalDataBoundary(rawValue: regionalDataBoundary)
    else { return nil }
    return DeviceGroupProperties(
      description: description, osFeedType: feed, updatePolicy: policy,
      allowCrashDumpsCollection: consent, regionalDataBoundary: boundary)
  }

  func record(in product: ProductReference) throws -> DeviceGroupRecord {
    guard let properties else { throw unreadable }
    return DeviceGroupRecord(
      id: id, reference: DeviceGroupReference(product: product, name: name), properties: properties,
      createdAt: date(milliseconds: createdAt), modifiedAt: date(milliseconds: modifiedAt))
  }

  /// Takes the members of `change` that are there.
  mutating func merge(_ change: DeviceGroupChange.Properties?, now: Int64) {
    if let value = change?.description { description = value }
    if let value = change?.osFeedType { osFeedType = value.rawValue }
    if let value = change?.updatePolicy { updatePolicy = value.rawValue }
    if let value = change?.allowCrashDumpsCollection { allowCrashDumpsCollection = value.rawValue }
    if let value = change?.regionalDataBoundary { regionalDataBoundary = value.rawValue }
    modifiedAt = now
  }

  var unreadable: ServiceFailure {
    ServiceFailure(
      .internalServerError, code: "StorageFromNewerVersion",
      message:
        "The device group '\(name)' was stored by a newer version of the service. Start that "
        + "version.")
  }

  static func find(_ db: Database, _ name: String, in product: ProductRow) throws -> DeviceGroupRow?
  {
    let request: SQLRequest<DeviceGroupRow> = """
      SELECT * FROM deviceGroups WHERE productId = \(product.id) AND name = \(name)
      """
    return try request.fetchOne(db)
  }
}

/// A device group with the product and the catalog it is in.
struct LocatedGroup {
  var catalog: CatalogRow
  var product: ProductRow
  var group: DeviceGroupRow

  var productReference: ProductReference { product.reference(in: catalog) }

  var reference: DeviceGroupReference {
    DeviceGroupReference(product: productReference, name: group.name)
  }

  static func require(_ db: Database, _ group: DeviceGroupReference) throws -> LocatedGroup {
    let catalog = try CatalogRow.require(db, group.product.catalog)
    let product = try ProductRow.require(db, group.product.name, in: catalog)
    guard let row = try DeviceGroupRow.find(db, group.name, in: product) else {
      throw ServiceFailure.notFound(
        "The device group", group.name, hint: "The product '\(product.name)' has none of that name."
      )
    }
    return LocatedGroup(catalog: catalog, product: product, group: row)
  }

  static func find(_ db: Database, groupID: String) throws -> LocatedGroup? {
    guard let group = try DeviceGroupRow.fetchOne(db, key: groupID),
      let product = try ProductRow.fetchOne(db, key: group.productId),
      let catalog = try CatalogRow.fetchOne(db, key: product.catalogId)
    else { return nil }
    return LocatedGroup(catalog: catalog, product: product, group: group)
  }
}
