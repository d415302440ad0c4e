// What is where: dumps in the spool, and on the board.

import DumpFormat
import Foundation
import GRDB
import MartletBenchKit
import MartletTestKit
import ServiceAPI

/// A row of the bridge's spool.
struct SpoolRow: Sendable {
  var key: DumpKey
  /// 0 stored, 1 uploaded, 2 purged.
  var state: Int
  var hasBytes: Bool
}

extension Desk {
  /// What the bridge's spool holds. Kill the bridge first.
  func spoolRows() throws -> [SpoolRow] {
    let file = spool + "/spool.sqlite"
    guard FileManager.default.fileExists(atPath: file) else { return [] }
    return try DatabaseQueue(path: file).read { db in
      try Row.fetchAll(
        db, sql: "SELECT boot_count, sequence, state, bytes IS NOT NULL AS whole FROM dump"
      ).map { row in
        SpoolRow(
          key: DumpKey(bootCount: row["boot_count"], sequence: row["sequence"]),
          state: row["state"], hasBytes: row["whole"])
      }
    }
  }
}

extension Stand {
  /// Service, consent and bridge, and a board that holds its lease and runs its application.
  func startEverything() throws {
    try startService()
    try claimBoard()
    try setConsent(.enabled)
    try startBridge()
    try waitForBridge(.leaseGranted)
    try proxy.wait(for: "the application") { $0.text.contains("ready, type help") }
  }

  /// Crashes the board's application and waits for the reboot.
  ///
  /// - Returns: the key under which the crash is kept when there is consent.
  func crash(_ command: String) throws -> DumpKey {
    let before = proxy.current.hello?.bootCount ?? 0
    proxy.type(command)
    do throws(ProcessFailure) {
      try proxy.wait(for: "the reboot after \(command)") { ($0.hello?.bootCount ?? 0) > before }
    } catch {
      throw ProcessFailure(error.code, "\(error)\n\(board.registers())")
    }
    return DumpKey(bootCount: before, sequence: 1)
  }

  /// Waits until the board was told that a dump is stored.
  func waitUntilTold(_ key: DumpKey) throws {
    try proxy.wait(for: "receipt of \(key)") { $0.told.contains(key) }
  }
}
