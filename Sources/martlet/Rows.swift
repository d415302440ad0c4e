// What tables show of each kind of resource.

import Foundation
import ServiceAPI

/// A resource and the cells that a table shows of it. As JSON it is the resource alone.
struct CatalogRow: TableRow {
  static let titles = ["Name", "ResourceGroup", "Location", "TenantId"]
  var resource: CatalogResource

  var cells: [String] {
    let parts = resource.id.split(separator: "/")
    let group = parts.count > 3 ? String(parts[3]) : ""
    return [resource.name, group, resource.location ?? "", resource.properties.tenantId]
  }

  func encode(to encoder: any Encoder) throws { try resource.encode(to: encoder) }
}

struct ProductRow: TableRow {
  static let titles = ["Name", "Description"]
  var resource: ProductResource

  var cells: [String] { [resource.name, resource.properties.description] }

  func encode(to encoder: any Encoder) throws { try resource.encode(to: encoder) }
}

struct DeviceGroupRow: TableRow {
  static let titles = [
    "Name", "Product", "AllowCrashDumpsCollection", "RegionalDataBoundary", "OsFeedType",
    "UpdatePolicy", "Description",
  ]
  var resource: DeviceGroupResource

  var cells: [String] {
    let properties = resource.properties
    return [
      resource.name, DeviceGroupReference(resourceID: resource.id)?.product.name ?? "",
      properties.allowCrashDumpsCollection.rawValue, properties.regionalDataBoundary.rawValue,
      properties.osFeedType.rawValue, properties.updatePolicy.rawValue, properties.description,
    ]
  }

  func encode(to encoder: any Encoder) throws { try resource.encode(to: encoder) }
}

struct DeviceRow: TableRow {
  static let titles = ["DeviceId", "Product", "DeviceGroup"]
  var resource: DeviceResource

  /// The group that the device is in, out of its resource id.
  var group: DeviceGroupReference? {
    let parts = resource.id.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
    return DeviceGroupReference(resourceID: parts.joined(separator: "/"))
  }

  var cells: [String] {
    [resource.properties.deviceId, group?.product.name ?? "", group?.name ?? ""]
  }

  func encode(to encoder: any Encoder) throws { try resource.encode(to: encoder) }
}

struct DumpRow: TableRow {
  static let titles = ["Id", "Received", "Device", "DeviceGroup", "Region", "Size", "Signature"]
  var summary: DumpSummary

  var cells: [String] {
    [
      summary.id, summary.receivedAt.formatted(.iso8601), "\(summary.deviceId.prefix(8))...",
      summary.deviceGroup, summary.region, "\(summary.size)", summary.signature,
    ]
  }

  func encode(to encoder: any Encoder) throws { try summary.encode(to: encoder) }
}
