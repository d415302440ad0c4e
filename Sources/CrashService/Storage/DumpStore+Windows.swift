// Crash counts of one region by day. A fingerprint is a part of a dump, so it never leaves the region.

import Foundation
import SQLStorage
import ServiceAPI

/// A count by the name that it grows under.
struct CountName: Hashable, Sendable {
  var fingerprint: String
  var firstBoot: UInt32
}

extension DumpStore {
  static func makeWindows(_ db: any SQLConnection) throws {
    let engine = db.engine
    try db.script(
      """
      CREATE TABLE crashWindows (
        catalogId \(engine.text) NOT NULL,
        day \(engine.integer) NOT NULL,
        deviceId \(engine.text) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        count \(engine.integer) NOT NULL,
        PRIMARY KEY (catalogId, day, deviceId, fingerprint)
      ) \(engine.strictKeyed)
      """)
  }

  /// Adds crashes to today's window.
  static func add(
    _ crashes: Int64, of fingerprint: String, to placement: Placement, at now: Int64,
    _ db: any SQLConnection
  ) throws {
    guard crashes > 0 else { return }
    try db.run(
      """
      INSERT INTO crashWindows (catalogId, day, deviceId, fingerprint, count)
      VALUES (\(placement.catalogID), \(RetentionPeriod.dayNumber(now)), \(placement.device.text),
        \(fingerprint), \(crashes))
      ON CONFLICT (catalogId, day, deviceId, fingerprint) DO UPDATE SET
        count = crashWindows.count + excluded.count
      """)
  }

  /// The windows of a catalog, from the first on.
  func windows(ofCatalog id: String, page: Page) async throws -> [CrashWindow] {
    try await database.read { db in
      try db.rows(
        CrashWindow.listing(
          "crashWindows", description: "'AppCrash (fingerprint=' || fingerprint || ')'", of: id,
          page: page)
      ).map { try CrashWindow($0) }
    }
  }

  func forgetWindows(now: Date) async throws {
    let over = CrashWindow.over(at: milliseconds(now))
    try await database.write { db in try db.run("DELETE FROM crashWindows WHERE \(over)") }
  }
}

extension DumpStores {
  /// Stores counts of a device in the region of its placement. Those that another region has already,
  /// because the group's boundary was changed between two reports, are not counted again.
  func keep(_ counts: [CountRequest.Count], of placement: Placement, at time: Date) async throws {
    let names = Set(
      counts.map { CrashName(device: placement.device.text, fingerprint: $0.fingerprint) })
    var elsewhere: [CountName: UInt32] = [:]
    for store in all where store.region != placement.region {
      for count in try await store.counts(of: names) {
        elsewhere[count.countName] = max(elsewhere[count.countName] ?? 0, count.count.count)
      }
    }
    try await self[placement.region].keep(
      counts, of: placement, countedElsewhere: elsewhere, at: time)
  }
}

extension CrashCount {
  var countName: CountName {
    CountName(fingerprint: count.fingerprint, firstBoot: count.firstBoot)
  }
}
