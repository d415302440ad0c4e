// What each list is filtered by.

import SQLStorage
import ServiceAPI

extension FilterField {
  static let ofCatalogs = [
    FilterField("name", .caseless, "name"), FilterField("location", .caseless, "location"),
    FilterField("tenantId", .lowercase, "id"),
  ]

  static let ofProducts = [
    FilterField("name", .caseless, "name"), FilterField("description", .text, "description"),
  ]

  static let ofDeviceGroups = [
    FilterField("name", .caseless, "deviceGroups.name"),
    FilterField("description", .text, "deviceGroups.description"),
    FilterField("osFeedType", OSFeedType.self, "osFeedType"),
    FilterField("updatePolicy", UpdatePolicy.self, "updatePolicy"),
    FilterField(
      "allowCrashDumpsCollection", CrashDumpsCollection.self, "allowCrashDumpsCollection"),
    FilterField("regionalDataBoundary", RegionalDataBoundary.self, "regionalDataBoundary"),
    FilterField("crashDumpRetentionDays", .number, "retention"),
  ]

  static let ofDevices = [
    FilterField("name", .lowercase, "devices.id"),
    FilterField("deviceId", .lowercase, "devices.id"),
  ]
}
