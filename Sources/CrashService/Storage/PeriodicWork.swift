// Work that one process at a time does, however many there are.

import SQLStorage

/// Does its work when nobody else does it just now.
struct PeriodicWork: Sendable {
  let name: String
  let database: any SQLDatabase

  /// Runs `work` unless another process runs work of that name now. What another did while this one
  /// waited for its turn is no reason not to do it: work looks for itself what there is to do.
  /// - Returns: whether it ran.
  func run(_ work: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    // One process owns SQLite's files.
    guard let postgres = database as? PostgresDatabase else {
      try await work()
      return true
    }
    return try await postgres.holding(turn: "periodic/\(name)", work)
  }
}
