// For how long each device group's dumps are kept.

import SQLStorage

extension ManagementStore {
  /// The groups whose dumps are kept for a shorter time than others', with the days; those included
  /// that were deleted.
  func shorterPeriods() async throws -> [(group: String, days: Int)] {
    try await read { db in
      try db.rows("SELECT deviceGroupId, days FROM shorterPeriods ORDER BY deviceGroupId").map {
        (try $0["deviceGroupId"] as String, try $0["days"] as Int)
      }
    }
  }

  /// Remembers a group's period beyond the group's life.
  static func keepPeriod(_ db: any SQLConnection, _ group: DeviceGroupRow) throws {
    guard (1...RetentionPeriod.mostDays).contains(group.retention) else {
      throw ServiceFailure.invalid(
        "crashDumpRetentionDays is a number from 1 to \(RetentionPeriod.mostDays): dumps are never "
          + "kept for longer.",
        target: "properties.crashDumpRetentionDays")
    }
    try db.run("DELETE FROM shorterPeriods WHERE deviceGroupId = \(group.id)")
    guard group.retention < RetentionPeriod.mostDays else { return }
    try db.run(
      """
      INSERT INTO shorterPeriods (deviceGroupId, days) VALUES (\(group.id), \(group.retention))
      """)
  }
}
