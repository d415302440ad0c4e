// A database of either engine for one test.

import Foundation
import MartletTestKit
import SQLStorage
import Testing

/// Which engine a test body runs on.
enum TestEngine: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case sqlite, postgres

  var testDescription: String { rawValue }

  /// Runs `body` with an empty database that is gone afterwards.
  func withDatabase(
    _ body:
      @Sendable (
        _ database: any SQLDatabase, _ open: @escaping @Sendable () throws -> any SQLDatabase
      ) async throws -> Void
  ) async throws {
    switch self {
    case .sqlite:
      try await TemporaryDirectory.with { folder in
        let file = folder.file("test.sqlite")
        let database = try SQLiteDatabase(at: file)
        try await body(database) { try SQLiteDatabase(at: file) }
        try await database.close()
      }
    case .postgres:
      let server = try await PostgresServer.shared()
      let name = try await server.makeDatabase()
      // Tests beside this one may keep the machine busy.
      var options = PostgresOptions()
      options.acquireTimeout = .seconds(60)
      let patient = options
      let database = PostgresDatabase(server.url(name), options: patient)
      try await body(database) { PostgresDatabase(server.url(name), options: patient) }
      try await database.close()
      try await server.drop(name)
    }
  }
}
