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

/// A device with how often it crashed. As JSON it is the resource with members `crashes` and
/// `provisionedFor`.
struct DeviceDetail: TableRow {
  static let titles =
    DeviceRow.titles + ["ProvisionedFor", "Crashes", "Fingerprints", "CrashesWithoutConsent"]
  var row: DeviceRow
  var crashes: DeviceCrashes
  /// The catalog whose leases the device takes; `nil` when the service does not know its key.
  var provisionedFor: String?

  var cells: [String] {
    row.cells + [
      provisionedFor ?? "no", "\(crashes.total)", "\(crashes.fingerprints.count)",
      "\(crashes.uncaptured)",
    ]
  }

  private enum CodingKeys: CodingKey { case crashes, provisionedFor }

  func encode(to encoder: any Encoder) throws {
    try row.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(crashes, forKey: .crashes)
    try container.encode(provisionedFor, forKey: .provisionedFor)
  }
}

/// The crashes of a device with one fingerprint.
struct CrashRow: TableRow {
  static let titles = [
    "Fingerprint", "Crashes", "FirstBoot", "FirstUptime", "LastBoot", "LastUptime", "DumpsSkipped",
  ]
  var kind: DeviceCrashes.Kind

  var cells: [String] {
    let total = kind.total
    func uptime(_ seconds: UInt32?) -> String { seconds.map { "\($0) s" } ?? "unknown" }
    return [
      kind.fingerprint, "\(total.count)", "\(total.firstBoot)", uptime(total.firstUptimeSeconds),
      "\(total.lastBoot)", uptime(total.lastUptimeSeconds), "\(kind.skippedDumps)",
    ]
  }

  func encode(to encoder: any Encoder) throws { try kind.encode(to: encoder) }
}

extension CrashTotal {
  /// `5 crashes: the first in boot 3 after 12 s, the latest in boot 9`.
  var words: String {
    func moment(_ boot: UInt32, _ seconds: UInt32?) -> String {
      "in boot \(boot)" + (seconds.map { " after \($0) s" } ?? "")
    }
    let first = moment(firstBoot, firstUptimeSeconds)
    guard count > 1 else { return "1 crash, \(first)" }
    return "\(count) crashes: the first \(first), the latest \(moment(lastBoot, lastUptimeSeconds))"
  }
}

struct DumpRow: TableRow {
  static let titles = [
    "Id", "Received", "Device", "DeviceGroup", "Region", "Size", "Crashes", "Signature",
  ]
  var summary: DumpSummary

  var cells: [String] {
    [
      summary.id, summary.receivedAt.formatted(.iso8601), "\(summary.deviceId.prefix(8))...",
      summary.deviceGroup, summary.region, "\(summary.size)",
      summary.crashes.map { "\($0.count)" } ?? "unknown", summary.signature,
    ]
  }

  func encode(to encoder: any Encoder) throws { try summary.encode(to: encoder) }
}
