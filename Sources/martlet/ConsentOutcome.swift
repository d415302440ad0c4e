// What became of one device group's consent.

import ServiceAPI

/// A device group with its consent before and after a command, as a table shows it.
struct ConsentOutcome: TableRow {
  enum Result: String, Encodable {
    case changed = "Changed"
    case unchanged = "Unchanged"
    case wouldChange = "WouldChange"
    case failed = "Failed"
  }

  static let titles = ["Catalog", "Product", "DeviceGroup", "Before", "After", "Result"]

  /// The resource id; `nil` when not even the groups of a catalog could be listed.
  var id: String?
  var catalog: String
  var product: String
  var deviceGroup: String
  /// `nil` when it could not be read.
  var before: CrashDumpsCollection?
  /// `nil` when it is not known to be anything.
  var after: CrashDumpsCollection?
  var result: Result?
  /// Why it failed.
  var error: String?

  init(_ reference: DeviceGroupReference) {
    id = reference.path
    catalog = reference.product.catalog.name
    product = reference.product.name
    deviceGroup = reference.name
  }

  init(_ resource: DeviceGroupResource) {
    id = resource.id
    let reference = DeviceGroupReference(resourceID: resource.id)
    catalog = reference?.product.catalog.name ?? ""
    product = reference?.product.name ?? ""
    deviceGroup = resource.name
    before = resource.properties.allowCrashDumpsCollection
  }

  init(unreadable reference: CatalogReference, _ error: String) {
    catalog = reference.name
    product = ""
    deviceGroup = ""
    fail(error)
  }

  /// Takes names and consent from the service's answer.
  mutating func show(_ resource: DeviceGroupResource) { self = ConsentOutcome(resource) }

  mutating func end(_ result: Result, _ after: CrashDumpsCollection?) {
    self.result = result
    self.after = after
  }

  mutating func fail(_ error: String) {
    result = .failed
    self.error = error
  }

  /// `bench/DW100/Marketing`.
  var words: String {
    [catalog, product, deviceGroup].filter { !$0.isEmpty }.joined(separator: "/")
  }

  var cells: [String] {
    [
      catalog, product, deviceGroup, before?.rawValue ?? "unknown", after?.rawValue ?? "unknown",
      result?.rawValue ?? "",
    ]
  }
}

/// A device group with its consent, where nothing was to be changed.
struct ConsentState: TableRow {
  static let titles = ["Catalog", "Product", "DeviceGroup", "AllowCrashDumpsCollection"]

  var id: String?
  var catalog: String
  var product: String
  var deviceGroup: String
  var allowCrashDumpsCollection: CrashDumpsCollection?
  var error: String?

  init(_ outcome: ConsentOutcome) {
    id = outcome.id
    catalog = outcome.catalog
    product = outcome.product
    deviceGroup = outcome.deviceGroup
    allowCrashDumpsCollection = outcome.before
    error = outcome.error
  }

  var cells: [String] {
    [catalog, product, deviceGroup, allowCrashDumpsCollection?.rawValue ?? "unknown"]
  }
}
