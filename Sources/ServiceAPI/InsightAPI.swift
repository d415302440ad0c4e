// What devices report of crashes beside dumps: counts by category, class and type in a window of time.

import Foundation

/// Crashes of one kind that a device reported in one window.
public struct DeviceInsight: Codable, Equatable, Sendable {
  /// 128 hex digits.
  public var deviceId: String
  /// Words about the kind, such as its fingerprint.
  public var description: String
  /// When the window begins: a day, UTC.
  public var startTimestampUtc: Date
  /// When it ends.
  public var endTimestampUtc: Date
  public var eventCategory: String
  /// The software that it happened to: an application.
  public var eventClass: String
  /// Whether it was planned; a crash never is.
  public var eventType: String
  public var eventCount: Int

  public init(
    deviceId: String, description: String, startTimestampUtc: Date, endTimestampUtc: Date,
    eventCategory: String, eventClass: String, eventType: String, eventCount: Int
  ) {
    self.deviceId = deviceId
    self.description = description
    self.startTimestampUtc = startTimestampUtc
    self.endTimestampUtc = endTimestampUtc
    self.eventCategory = eventCategory
    self.eventClass = eventClass
    self.eventType = eventType
    self.eventCount = eventCount
  }
}
