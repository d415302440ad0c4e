// Work that one process at a time does, however many there are.

import SQLStorage

/// Does its work when nobody else does it just now.
struct PeriodicWork: Sendable {
  let name: String
  let database: any SQLDatabase

  /// Runs `work` unless another process runs work of that name now. What another did while this one
  /// waited for its turn is no reason not to do it: work looks for itself what there is to do.
  /// - Returns: what `work` returns; `nil` when another process is at it.
  func run<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value? {
    // One process owns SQLite's files.
    guard let postgres = database as? PostgresDatabase else { return try await work() }
    return try await postgres.holding(turn: "periodic/\(name)", work)
  }
}
