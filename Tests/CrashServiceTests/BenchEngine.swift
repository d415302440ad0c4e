// The engine that the service's tests run on: scripts/test runs all of them on each.

import Foundation
import MartletTestKit
import SQLStorage
import Synchronization
import Testing

@testable import CrashService

/// Chosen with `MARTLET_TEST_ENGINE`: `sqlite`, which goes without saying, or `postgres`.
enum BenchEngine: String, Sendable {
  case sqlite, postgres

  static let current: BenchEngine = {
    let name = ProcessInfo.processInfo.environment["MARTLET_TEST_ENGINE"] ?? "sqlite"
    guard let engine = BenchEngine(rawValue: name) else {
      preconditionFailure("MARTLET_TEST_ENGINE is '\(name)'; it is sqlite or postgres")
    }
    return engine
  }()

  /// How many services run at once: a server has an end of its connections.
  var turns: Turns {
    switch self {
    case .sqlite: Self.unbounded
    case .postgres: Self.bounded
    }
  }

  var sql: SQLEngine {
    switch self {
    case .sqlite: .sqlite
    case .postgres: .postgres
    }
  }

  private static let unbounded = Turns(most: .max)
  private static let bounded = Turns(most: 8)
}

/// Lets so many run at once, in the order in which they came.
actor Turns {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(most: Int) { free = most }

  nonisolated func take(_ body: () async throws -> Void) async throws {
    await enter()
    do {
      try await body()
    } catch {
      await leave()
      throw error
    }
    await leave()
  }

  private func enter() async {
    guard free == 0 else {
      free -= 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  private func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

/// Seven databases; without a server of a test's own seven schemas of one name, in databases that all tests
/// of this process share: making a schema is quick, making a database is not.
actor BenchDatabases {
  static let names =
    ["management"] + Region.allCases.flatMap { [$0.storeName, "\($0.storeName)-keys"] }

  private let server: (@Sendable (_ database: String) async throws -> PostgresServer)?
  private var made: Task<PostgresStorage, any Error>?

  /// - Parameter server: has a database of that name of ``names``.
  init(on server: (@Sendable (_ database: String) async throws -> PostgresServer)? = nil) {
    self.server = server
  }

  /// Databases of a test's own, on the server that all share: for tools that know no schemas.
  static func whole() -> BenchDatabases {
    BenchDatabases { _ in try await PostgresServer.shared() }
  }

  func storage() async throws -> PostgresStorage {
    let task =
      made
      ?? Task { [server] in
        guard let server else { return try await Self.makeSchemas() }
        return Self.storage(try await Self.makeDatabases(on: server))
      }
    made = task
    return try await task.value
  }

  /// The databases of this process's server, by name.
  private static let shared = Task {
    let server = try await PostgresServer.shared()
    return try await makeDatabases { _ in server }
  }

  private static func makeDatabases(
    on server: @Sendable (_ database: String) async throws -> PostgresServer
  ) async throws -> [String: String] {
    var targets: [String: String] = [:]
    for name in names {
      let server = try await server(name)
      targets[name] = server.url(try await server.makeDatabase())
    }
    return targets
  }

  private static func makeSchemas() async throws -> PostgresStorage {
    let schema = "s" + String(UInt64.random(in: .min ... .max), radix: 36)
    var targets: [String: String] = [:]
    for (name, target) in try await shared.value {
      let database = PostgresDatabase(target)
      try await database.write { try $0.script(SQLText(raw: "CREATE SCHEMA \(schema)")) }
      try await database.close()
      targets[name] = target + "&options=-csearch_path%3D\(schema)"
    }
    return storage(targets)
  }

  /// - Parameter targets: by ``names``.
  static func storage(_ targets: [String: String]) -> PostgresStorage {
    var options = PostgresOptions()
    options.connections = 3
    // Tests beside this one may keep the machine busy.
    options.acquireTimeout = .seconds(60)
    options.statementTimeout = .seconds(60)
    options.lockTimeout = .seconds(30)
    var regions: [Region: PostgresStorage.RegionTargets] = [:]
    for region in Region.allCases {
      regions[region] = PostgresStorage.RegionTargets(
        dumps: targets[region.storeName] ?? "", keys: targets["\(region.storeName)-keys"] ?? "")
    }
    var storage = PostgresStorage(
      management: targets["management"] ?? "", regions: regions, options: options)
    // Nothing of a test goes on for longer in a process that is gone.
    storage.grace = .milliseconds(300)
    return storage
  }
}

extension ServiceStorage {
  /// How a program is told of it.
  var environment: [String: String] {
    guard case .postgres(let storage) = self else { return [:] }
    var variables = ["MARTLET_DATABASE_MANAGEMENT": storage.management]
    for (region, targets) in storage.regions {
      let name = region.storeName.uppercased().replacingOccurrences(of: "-", with: "_")
      variables["MARTLET_DATABASE_\(name)"] = targets.dumps
      variables["MARTLET_DATABASE_\(name)_KEYS"] = targets.keys
    }
    return variables
  }
}

extension Trait where Self == ConditionTrait {
  /// For tests that look into SQLite's files. They run in the round on SQLite.
  static var onSQLite: Self {
    .enabled(if: BenchEngine.current == .sqlite, "it looks into SQLite's files")
  }

  /// For tests of what is done with databases of PostgreSQL alone. They run in the round on it.
  static var onPostgres: Self {
    .enabled(if: BenchEngine.current == .postgres, "it is about databases that are no files")
  }
}
