// Whether anything is kept for longer than it may be, as auditors ask.

import Foundation

/// Paths of the retention report and the audit log.
///
/// | call | answers |
/// | --- | --- |
/// | `GET /martlet/v1/retention` | 200 ``RetentionReport`` |
/// | `POST /martlet/v1/retention` | deletes what is over at once: 200 ``RetentionReport`` |
/// | `GET /martlet/v1/audit` with `region`, `after` | 200 ``AuditList`` |
public enum RetentionPath {
  public static let report = "/martlet/v1/retention"
  public static let audit = "/martlet/v1/audit"
}

/// What the databases of all regions say at one moment.
public struct RetentionReport: Codable, Equatable, Sendable {
  public struct Region: Codable, Equatable, Sendable {
    public var region: String
    /// Dumps that are stored.
    public var dumps: Int
    /// When the oldest of them was received; absent without any.
    public var oldest: Date?
    /// Dumps that are older than they may be.
    public var overdueDumps: Int
    /// Keys of such dumps.
    public var overdueKeys: Int

    public init(region: String, dumps: Int, oldest: Date?, overdueDumps: Int, overdueKeys: Int) {
      self.region = region
      self.dumps = dumps
      self.oldest = oldest
      self.overdueDumps = overdueDumps
      self.overdueKeys = overdueKeys
    }
  }

  /// The service's clock.
  public var now: Date
  /// The longest period.
  public var days: Int
  /// How many device groups have a shorter one.
  public var shorterGroups: Int
  public var regions: [Region]

  public init(now: Date, days: Int, shorterGroups: Int, regions: [Region]) {
    self.now = now
    self.days = days
    self.shorterGroups = shorterGroups
    self.regions = regions
  }

  /// Whether nothing is kept for longer than it may be.
  public var isKept: Bool { regions.allSatisfy { $0.overdueDumps == 0 && $0.overdueKeys == 0 } }
}

/// A page of the audit log of one region.
public struct AuditList: Codable, Equatable, Sendable {
  public var value: [AuditEvent]
  /// Where the next page is; absent on the last.
  public var nextLink: String?

  public init(value: [AuditEvent], nextLink: String? = nil) {
    self.value = value
    self.nextLink = nextLink
  }
}
