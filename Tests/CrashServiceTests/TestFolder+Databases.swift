// Databases of either engine, for what stores do.

import Foundation
import MartletTestKit
import SQLStorage

extension TestFolder {
  /// A new database: a file in the folder, or one of the server that the tests share.
  func database(_ engine: SQLEngine, _ name: String) async throws -> any SQLDatabase {
    switch engine {
    case .sqlite:
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      return try SQLiteDatabase(at: url.appending(path: "\(name).sqlite"))
    case .postgres:
      let server = try await PostgresServer.shared()
      return PostgresDatabase(server.url(try await server.makeDatabase()))
    }
  }
}
