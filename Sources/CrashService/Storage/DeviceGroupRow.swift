// The row of a device group: its consent and its boundary.

import SQLStorage
import ServiceAPI

struct DeviceGroupRow: Sendable {
  var id: String
  var productId: String
  var name: String
  var description: String
  var osFeedType: String
  var updatePolicy: String
  var allowCrashDumpsCollection: String
  var regionalDataBoundary: String
  /// Days.
  var retention: Int
  /// Written by deployments alone.
  var hasDeployment = false
  var authorship: Authorship

  init(
    id: String, productId: String, name: String, properties: DeviceGroupProperties,
    authorship: Authorship
  ) {
    self.id = id
    self.productId = productId
    self.name = name
    description = properties.description
    osFeedType = properties.osFeedType.rawValue
    updatePolicy = properties.updatePolicy.rawValue
    allowCrashDumpsCollection = properties.allowCrashDumpsCollection.rawValue
    regionalDataBoundary = properties.regionalDataBoundary.rawValue
    retention = properties.crashDumpRetentionDays
    self.authorship = authorship
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
      allowCrashDumpsCollection: consent, regionalDataBoundary: boundary,
      hasDeployment: hasDeployment, crashDumpRetentionDays: retention)
  }

  func record(in product: ProductReference) throws -> DeviceGroupRecord {
    guard let properties else { throw ServiceFailure.storedByNewerVersion(group: name) }
    return DeviceGroupRecord(
      id: id, reference: DeviceGroupReference(product: product, name: name), properties: properties,
      authorship: authorship)
  }

  /// Takes the members of `change` that are there.
  mutating func merge(_ change: DeviceGroupChange.Properties?, by author: String, at now: Int64) {
    if let value = change?.description { description = value }
    if let value = change?.osFeedType { osFeedType = value.rawValue }
    if let value = change?.updatePolicy { updatePolicy = value.rawValue }
    if let value = change?.allowCrashDumpsCollection { allowCrashDumpsCollection = value.rawValue }
    if let value = change?.regionalDataBoundary { regionalDataBoundary = value.rawValue }
    if let value = change?.crashDumpRetentionDays { retention = value }
    authorship.change(by: author, at: now)
  }

  static func find(_ db: any SQLConnection, _ name: String, in product: ProductRow) throws
    -> DeviceGroupRow?
  {
    try db.row(
      """
      SELECT * FROM deviceGroups WHERE productId = \(product.id)
      AND lower(name) = \(name.asciiLowercased)
      """
    ).map(DeviceGroupRow.init)
  }

  static func find(_ db: any SQLConnection, id: String) throws -> DeviceGroupRow? {
    try db.row("SELECT * FROM deviceGroups WHERE id = \(id)").map(DeviceGroupRow.init)
  }

  func insert(_ db: any SQLConnection) throws {
    try db.run(
      """
      INSERT INTO deviceGroups (id, productId, name, description, osFeedType, updatePolicy,
        allowCrashDumpsCollection, regionalDataBoundary, retention, hasDeployment,
        \(Authorship.columns))
      VALUES (\(id), \(productId), \(name), \(description), \(osFeedType), \(updatePolicy),
        \(allowCrashDumpsCollection), \(regionalDataBoundary), \(retention), \(hasDeployment),
        \(authorship.values))
      """)
  }

  /// Writes what may change.
  func update(_ db: any SQLConnection) throws {
    try db.run(
      """
      UPDATE deviceGroups SET description = \(description), osFeedType = \(osFeedType),
        updatePolicy = \(updatePolicy), allowCrashDumpsCollection = \(allowCrashDumpsCollection),
        regionalDataBoundary = \(regionalDataBoundary), retention = \(retention),
        \(authorship.update)
      WHERE id = \(id)
      """)
  }
}

extension DeviceGroupRow {
  init(_ row: SQLRow) throws(SQLFailure) {
    id = try row["id"]
    productId = try row["productId"]
    name = try row["name"]
    description = try row["description"]
    osFeedType = try row["osFeedType"]
    updatePolicy = try row["updatePolicy"]
    allowCrashDumpsCollection = try row["allowCrashDumpsCollection"]
    regionalDataBoundary = try row["regionalDataBoundary"]
    retention = try row["retention"]
    hasDeployment = try row["hasDeployment"]
    authorship = try Authorship(row)
  }
}

extension ServiceFailure {
  static func storedByNewerVersion(group name: String) -> ServiceFailure {
    ServiceFailure(
      .internalServerError, code: "StorageFromNewerVersion",
      message:
        "The device group '\(name)' was stored by a newer version of the service. Start that "
        + "version.")
  }
}
