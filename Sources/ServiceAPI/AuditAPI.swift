// What the service did with data for good, as auditors read it.

import Foundation

/// One entry of the audit log.
public struct AuditEvent: Codable, Equatable, Sendable {
  /// The region that it happened in.
  public var region: String
  /// Rises with every entry of the region.
  public var number: Int64
  public var at: Date
  /// Such as `dump.deleted`.
  public var event: String
  /// What it is about, such as a dump's id.
  public var subject: String
  public var deviceGroupId: String

  public init(
    region: String, number: Int64, at: Date, event: String, subject: String, deviceGroupId: String
  ) {
    self.region = region
    self.number = number
    self.at = at
    self.event = event
    self.subject = subject
    self.deviceGroupId = deviceGroupId
  }
}
