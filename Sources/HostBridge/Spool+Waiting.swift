// Waiting for the service to have what the spool held.

import DumpFormat
import Foundation
import GRDB

extension Spool {
  /// Returns when none of these dumps waits for the service any more: uploaded, refused, purged or
  /// evicted.
  ///
  /// - Throws: ``HostBridgeError`` with code `spoolFailed`, also when the task is cancelled.
  public func settled(_ dumps: [DumpIdentity]) async throws(HostBridgeError) {
    let waiting = ValueObservation.tracking { db in
      try dumps.contains { try Self.isWaiting($0, in: db) }
    }
    try await access { queue in
      for try await isWaiting in waiting.values(in: queue) where !isWaiting { return }
      throw CancellationError()
    }
  }

  private static func isWaiting(_ identity: DumpIdentity, in db: Database) throws -> Bool {
    let state: Int? = try row(of: identity, in: db)?["state"]
    return state == State.stored.rawValue
  }
}
