// Crashes without consent by day: their number, and nothing else about them.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  static func makeWindows(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE uncapturedWindows (
        catalogId \(engine.text) NOT NULL,
        day \(engine.integer) NOT NULL,
        deviceId \(engine.text) NOT NULL,
        count \(engine.integer) NOT NULL,
        PRIMARY KEY (catalogId, day, deviceId)
      ) \(engine.strictKeyed)
      """)
  }

  /// Adds crashes to today's window of the catalog that the device is claimed into, if it is.
  static func add(
    uncaptured crashes: UInt32, of device: DeviceID, at now: Int64, _ db: any SQLConnection
  ) throws {
    try db.run(
      """
      INSERT INTO uncapturedWindows (catalogId, day, deviceId, count)
      SELECT catalogId, \(RetentionPeriod.dayNumber(now)), devices.id, \(crashes) FROM devices
      JOIN deviceGroups ON deviceGroups.id = deviceGroupId
      JOIN products ON products.id = productId
      WHERE devices.id = \(device.text)
      ON CONFLICT (catalogId, day, deviceId) DO UPDATE SET
        count = uncapturedWindows.count + excluded.count
      """)
  }

  /// The windows of a catalog, from the first on.
  func windows(of catalog: CatalogReference, page: Page) async throws -> (
    catalogID: String, windows: [CrashWindow]
  ) {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      let windows = try db.rows(
        CrashWindow.listing(
          "uncapturedWindows", description: "'AppCrash (not captured: no consent)'", of: row.id,
          page: page)
      ).map { try CrashWindow($0) }
      return (row.id, windows)
    }
  }

  func forgetWindows(now: Date) async throws {
    let over = CrashWindow.over(at: milliseconds(now))
    try await database.write { db in try db.run("DELETE FROM uncapturedWindows WHERE \(over)") }
  }
}

extension CrashService {
  /// A page of what the devices of a catalog report, the latest first: crashes that were captured out of
  /// the regions that have them, and the number of those that were not.
  func insights(of catalog: CatalogReference, page: Page) async throws -> [DeviceInsight] {
    let (id, uncaptured) = try await management.windows(of: catalog, page: page)
    var windows = uncaptured
    for store in dumps.all { windows += try await store.windows(ofCatalog: id, page: page) }
    windows.sort(by: CrashWindow.isListed(_:before:))
    return windows.dropFirst(page.offset).prefix(page.limit).map(\.insight)
  }
}
