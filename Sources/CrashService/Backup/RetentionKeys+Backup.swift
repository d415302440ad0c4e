// Keys on their way to the key file and back, wrapped all the time.

import Foundation
import SQLStorage

extension RetentionKeys {
  private static let pageSize = 5000

  /// Some keys of a key database, in the order of minutes and groups.
  /// - Parameter slot: the last one of the page before.
  static func page(after slot: RetentionSlot?, in database: any SQLDatabase) async throws -> [(
    slot: RetentionSlot, wrapped: Data
  )] {
    let minute = slot?.minute ?? Int64.min
    let group = slot?.group ?? ""
    return try await database.read { db in
      try db.rows(
        """
        SELECT groupId, minute, wrapped FROM retentionKeys
        WHERE minute > \(minute) OR (minute = \(minute) AND groupId > \(group))
        ORDER BY minute, groupId LIMIT \(pageSize)
        """
      ).map {
        (RetentionSlot(group: try $0["groupId"], minute: try $0["minute"]), try $0["wrapped"])
      }
    }
  }

  /// Takes keys back that are not there. What opens under another master key alone is refused.
  /// - Throws: ``SecretUnreadable``.
  func restore(_ keys: [(slot: RetentionSlot, wrapped: Data)]) async throws {
    for (slot, wrapped) in keys { try check(wrapped, of: slot) }
    try await partitions.having(Set(keys.map(\.slot.day)), in: database) {
      try await database.write { db in
        _ = try db.runAll(keys.map { Self.insert($0.wrapped, of: $0.slot) })
      }
    }
  }
}
