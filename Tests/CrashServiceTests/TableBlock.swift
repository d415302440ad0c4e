// Somebody who is in the way in a database of PostgreSQL.

import Foundation
import MartletTestKit
import SQLStorage

@testable import CrashService

/// Keeps others from a table of the store of East US, in a transaction that stays open.
final class TableBlock: Sendable {
  private let database: PostgresDatabase
  private let release: AsyncStream<Void>.Continuation
  private let holder: Task<Void, any Error>

  /// - Parameter mode: of PostgreSQL's locks; the strongest when absent.
  init(_ table: String, of folder: TestFolder, mode: String = "ACCESS EXCLUSIVE") async throws {
    guard case .postgres(let storage) = try await folder.storage() else {
      throw ProcessFailure(.missing, "there are no databases")
    }
    let database = PostgresDatabase(try storage.targets(of: .usEast).dumps)
    self.database = database
    let (released, release) = AsyncStream<Void>.makeStream()
    let (held, hold) = AsyncStream<Void>.makeStream()
    self.release = release
    let gate = DispatchSemaphore(value: 0)
    Task {
      for await _ in released {}
      gate.signal()
    }
    holder = Task {
      defer { hold.finish() }
      try await database.write { db in
        try db.run(SQLText(raw: "LOCK TABLE \(table) IN \(mode) MODE"))
        hold.finish()
        // The database's own thread, not one of the tests'.
        gate.wait()
      }
    }
    for await _ in held {}
  }

  /// Returns when somebody waits for the table.
  func waitForQueue() async throws {
    for _ in 0..<4_000 {
      let waiting = try await database.rows(
        "SELECT pid FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
      if !waiting.isEmpty { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw ProcessFailure(.tooLate, "nobody came to the table")
  }

  func end() async throws {
    release.finish()
    try await holder.value
    try await database.close()
  }
}
