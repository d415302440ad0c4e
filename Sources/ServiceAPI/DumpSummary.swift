// What lists and tables show of a stored dump.

import Foundation

/// Paths of the operators' dump API.
///
/// | call | answers |
/// | --- | --- |
/// | `GET /martlet/v1/dumps?catalog=&product=&deviceGroup=&device=` | 200 ``DumpList``, newest first |
/// | `GET /martlet/v1/dumps/{id}` | 200 ``DumpSummary`` |
/// | `GET /martlet/v1/dumps/{id}/content` | 200 the dump's bytes |
public enum DumpPath {
  public static let list = "/martlet/v1/dumps"
  public static func summary(_ id: String) -> String { "/martlet/v1/dumps/\(id)" }
  public static func content(_ id: String) -> String { "/martlet/v1/dumps/\(id)/content" }
}

/// One stored dump, without its memory.
public struct DumpSummary: Codable, Equatable, Sendable {
  public var id: String
  public var deviceId: String
  public var catalog: String
  public var product: String
  public var deviceGroup: String
  /// `EU`, `USEast` or `USWest`: where it is stored.
  public var region: String
  public var bootCount: UInt32
  public var sequence: UInt32
  /// The name in docs/formats/dump.md, such as `usageFault`.
  public var kind: String
  /// 16 hex digits.
  public var fingerprint: String
  /// `AppCrash (kind=usageFault; pc=0x00001234; lr=0x00000567; sp=0x00080000; build=1a2b3c4d)`.
  public var signature: String
  /// 40 hex digits.
  public var buildId: String
  public var imageVersion: String
  public var uptimeSeconds: Double
  public var occurrences: UInt32
  /// All crashes with this fingerprint on this device, those that left no dump included; absent as
  /// long as the device has not told.
  public var crashes: CrashTotal?
  /// Bytes of the whole dump.
  public var size: Int
  public var isTruncated: Bool
  public var receivedAt: Date

  public init(
    id: String, deviceId: String, catalog: String, product: String, deviceGroup: String,
    region: String, bootCount: UInt32, sequence: UInt32, kind: String, fingerprint: String,
    signature: String, buildId: String, imageVersion: String, uptimeSeconds: Double,
    occurrences: UInt32, crashes: CrashTotal? = nil, size: Int, isTruncated: Bool, receivedAt: Date
  ) {
    self.id = id
    self.deviceId = deviceId
    self.catalog = catalog
    self.product = product
    self.deviceGroup = deviceGroup
    self.region = region
    self.bootCount = bootCount
    self.sequence = sequence
    self.kind = kind
    self.fingerprint = fingerprint
    self.signature = signature
    self.buildId = buildId
    self.imageVersion = imageVersion
    self.uptimeSeconds = uptimeSeconds
    self.occurrences = occurrences
    self.crashes = crashes
    self.size = size
    self.isTruncated = isTruncated
    self.receivedAt = receivedAt
  }
}

/// A page of dumps.
public struct DumpList: Codable, Equatable, Sendable {
  public var value: [DumpSummary]
  /// Where the next page is; absent on the last.
  public var nextLink: String?

  public init(value: [DumpSummary], nextLink: String? = nil) {
    self.value = value
    self.nextLink = nextLink
  }
}
