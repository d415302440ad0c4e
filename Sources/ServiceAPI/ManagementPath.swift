// Where the resources of the management API are: the Resource Manager's paths.

import Foundation

/// What every request of the Resource Manager dialect names.
public enum ResourceManagerPath {
  /// The newest first.
  public static let versions = ["2024-04-01", "2022-09-01-preview"]

  /// What goes behind a path of the dialect; empty for any other path.
  public static func query(of path: String) -> String {
    guard path.hasPrefix("/subscriptions/") || path.hasPrefix("/providers/") else { return "" }
    return "?api-version=\(versions[0])"
  }
}

/// The subscription and resource group that a catalog lies in. Any strings are accepted.
public struct CatalogScope: Hashable, Sendable {
  /// The subscription when nobody named one.
  public static let defaultSubscription = "00000000-0000-0000-0000-000000000000"
  /// The resource group when nobody named one.
  public static let defaultResourceGroup = "default"

  public var subscription: String
  public var resourceGroup: String

  public init(
    subscription: String = Self.defaultSubscription,
    resourceGroup: String = Self.defaultResourceGroup
  ) {
    self.subscription = subscription
    self.resourceGroup = resourceGroup
  }

  /// The path below which catalogs lie.
  public var path: String {
    "/subscriptions/\(subscription)/resourceGroups/\(resourceGroup)"
      + "/providers/Microsoft.AzureSphere"
  }

  /// The path that lists the catalogs.
  public var catalogsPath: String { "\(path)/catalogs" }

  /// The path that lists the catalogs of every resource group of the subscription.
  public var everyCatalogPath: String {
    "/subscriptions/\(subscription)/providers/Microsoft.AzureSphere/catalogs"
  }
}

/// The name of one catalog.
public struct CatalogReference: Hashable, Sendable {
  public var scope: CatalogScope
  public var name: String

  public init(scope: CatalogScope, name: String) {
    self.scope = scope
    self.name = name
  }

  public var path: String { "\(scope.catalogsPath)/\(name)" }
  public var productsPath: String { "\(path)/products" }
  public var listDevicesPath: String { "\(path)/listDevices" }
  public var listDeviceGroupsPath: String { "\(path)/listDeviceGroups" }
  public var countDevicesPath: String { "\(path)/countDevices" }
}

/// The name of one product.
public struct ProductReference: Hashable, Sendable {
  /// The product that holds ``DeviceGroupReference/unassignedName`` in every catalog.
  public static let defaultName = ".default"

  public var catalog: CatalogReference
  public var name: String

  public init(catalog: CatalogReference, name: String) {
    self.catalog = catalog
    self.name = name
  }

  public var path: String { "\(catalog.productsPath)/\(name)" }
  public var deviceGroupsPath: String { "\(path)/deviceGroups" }
  public var countDevicesPath: String { "\(path)/countDevices" }
}

/// The name of one device group.
public struct DeviceGroupReference: Hashable, Sendable {
  /// The group of devices that are in a catalog and in no group of their owner's making.
  public static let unassignedName = ".unassigned"

  public var product: ProductReference
  public var name: String

  public init(product: ProductReference, name: String) {
    self.product = product
    self.name = name
  }

  public var path: String { "\(product.deviceGroupsPath)/\(name)" }
  public var devicesPath: String { "\(path)/devices" }
  public var claimDevicesPath: String { "\(path)/claimDevices" }
  public var countDevicesPath: String { "\(path)/countDevices" }
  public func devicePath(_ device: String) -> String { "\(devicesPath)/\(device)" }

  /// Reads a resource id such as a device's `deviceGroupId`; `nil` when it is not a group's.
  /// Fixed words are compared without regard to case, as the Resource Manager does.
  public init?(resourceID: String) {
    guard let names = resourceNames(in: resourceID, below: ["products", "devicegroups"]) else {
      return nil
    }
    self.init(
      product: ProductReference(catalog: CatalogReference(names), name: names[3]), name: names[4])
  }
}

/// The names in a resource id: subscription, resource group, catalog, and one for each of `kinds`.
/// - Parameter kinds: in lower case.
private func resourceNames(in id: String, below kinds: [String]) -> [String]? {
  let parts = id.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
  let fixed =
    ["", "subscriptions", nil, "resourcegroups", nil, "providers", "microsoft.azuresphere"]
    + (["catalogs"] + kinds).flatMap { [$0, nil] }
  guard parts.count == fixed.count else { return nil }
  var names: [String] = []
  for (part, word) in zip(parts, fixed) {
    if let word {
      guard part.lowercased() == word else { return nil }
    } else {
      names.append(part.removingPercentEncoding ?? part)
    }
  }
  return names.contains("") ? nil : names
}

extension CatalogReference {
  /// Reads the resource id of a catalog; `nil` when it is not one's.
  public init?(resourceID: String) {
    guard let names = resourceNames(in: resourceID, below: []) else { return nil }
    self.init(names)
  }

  fileprivate init(_ names: [String]) {
    self.init(
      scope: CatalogScope(subscription: names[0], resourceGroup: names[1]), name: names[2])
  }
}
