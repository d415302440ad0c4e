// Crashes of a device in a window of a day: what insights are made of.

import Foundation
import SQLStorage
import ServiceAPI

/// A window as it is listed. Which crashes are in it is a matter of when they were reported: boards have
/// no clock that could be trusted.
struct CrashWindow: Equatable, Sendable {
  /// The day, UTC, since 1970.
  var day: Int64
  /// 128 hex digits.
  var device: String
  var description: String
  var count: Int

  /// The order of lists: the latest first.
  static func isListed(_ first: CrashWindow, before second: CrashWindow) -> Bool {
    if first.day != second.day { return first.day > second.day }
    return (first.device, first.description) < (second.device, second.description)
  }

  init(_ row: SQLRow) throws(SQLFailure) {
    day = try row["day"]
    device = try row["deviceId"]
    description = try row["description"]
    count = try row["eventCount"]
  }

  var insight: DeviceInsight {
    DeviceInsight(
      deviceId: device, description: description,
      startTimestampUtc: date(milliseconds: day * RetentionPeriod.day),
      endTimestampUtc: date(milliseconds: (day + 1) * RetentionPeriod.day),
      eventCategory: Self.category, eventClass: Self.eventClass, eventType: Self.type,
      eventCount: count)
  }

  // MARK: - Words

  static let category = "AppCrash"
  static let eventClass = "App"
  static let type = "Unplanned"

  /// What a window's list is narrowed by; it is a list over ``listing(_:description:of:page:)``.
  static let fields = [
    FilterField("deviceId", .lowercase, "deviceId"),
    FilterField("description", .text, "description"),
    FilterField("eventCategory", .caseless, "'\(SQLText(raw: category))'"),
    FilterField("eventClass", .caseless, "'\(SQLText(raw: eventClass))'"),
    FilterField("eventType", .caseless, "'\(SQLText(raw: type))'"),
    FilterField("eventCount", .number, "eventCount"),
  ]

  // MARK: - Statements

  /// Lists the windows of a catalog in one table, from the first on.
  /// - Parameters:
  ///   - description: the words about a row.
  ///   - page: its offset is left to whoever merges the lists of several tables.
  static func listing(
    _ table: SQLText, description: SQLText, of catalogID: String, page: Page
  ) -> SQLText {
    """
    SELECT * FROM (
      SELECT day, deviceId, \(description) AS description, count AS eventCount FROM \(table)
      WHERE catalogId = \(catalogID)
    ) AS windows WHERE 1 = 1\(page.condition)
    ORDER BY day DESC, deviceId, description LIMIT \(page.offset + page.limit)
    """
  }

  /// What is over: of days that began before the longest period.
  static func over(at now: Int64) -> SQLText {
    "day < \(RetentionPeriod.dayNumber(RetentionPeriod.horizon(now: now) - 1) + 1)"
  }
}
