// Where a service under load keeps its data, and the raw limit of the same disk.

import ArgumentParser
import Foundation
import MartletTestKit
import SQLStorage

/// The engine below a service.
enum LoadEngine: String, CaseIterable, ExpressibleByArgument {
  case sqlite, postgres
}

/// The databases of a run.
struct LoadStorage: Sendable {
  /// All seven (docs/service-postgres.md).
  private static let databases =
    [Name.management] + LoadRegion.allCases.flatMap { [.dumps($0), .keys($0)] }

  let engine: LoadEngine
  let folder: URL
  /// With ``LoadEngine/postgres``; ends with this process.
  private let server: PostgresServer?
  /// What tells a service where its databases are.
  let environment: [String: String]

  /// Starts a PostgreSQL server on disk when that is the engine.
  /// - Throws: ``ProcessFailure`` when PostgreSQL is not installed.
  init(_ engine: LoadEngine, in folder: URL) async throws {
    self.engine = engine
    self.folder = folder
    guard engine == .postgres else {
      server = nil
      environment = [:]
      return
    }
    progress("starting PostgreSQL")
    let server = try await PostgresServer.make(onDisk: true)
    var environment: [String: String] = [:]
    for name in Self.databases {
      let url = server.url(try await server.makeDatabase())
      environment["MARTLET_DATABASE_\(name.variable)"] = url
    }
    self.server = server
    self.environment = environment
  }

  /// Starts a service on it.
  func start(_ arguments: [String] = []) throws -> ServiceUnderLoad {
    try ServiceUnderLoad.start(in: folder, arguments, environment: environment)
  }

  /// Does at once what PostgreSQL does by itself in the minutes after much was written: learns how values are
  /// spread, notes which rows all see, and writes what is in memory to its files.
  func settle() async throws {
    let targets = environment.values.sorted()
    guard engine == .postgres, !targets.isEmpty else { return }
    progress("letting the server settle")
    try await onThread {
      for target in targets { try RawConnection(target).run("VACUUM (ANALYZE)") }
      try RawConnection(targets[0]).run("CHECKPOINT")
    }
  }

  /// Blobs a second that are committed with nothing around.
  /// - Parameter seconds: how long it is tried.
  func rawLimit(seconds: Double, producers: Int) async throws -> Double {
    guard let server else {
      return try RawSQLite(producers: producers, seconds: seconds).rate(in: folder)
    }
    let name = try await server.makeDatabase()
    let url = server.url(name)
    let rate = try await onThread {
      try RawPostgres(producers: producers, seconds: seconds).rate(on: url)
    }
    try await server.drop(name)
    return rate
  }
}

extension LoadStorage {
  /// One of a service's databases.
  enum Name {
    case management
    case dumps(LoadRegion)
    case keys(LoadRegion)

    /// What the variable ends with that names it.
    var variable: String {
      switch self {
      case .management: "MANAGEMENT"
      case .dumps(let region): region.variable
      case .keys(let region): "\(region.variable)_KEYS"
      }
    }

    /// Where it is in a data folder.
    var file: String {
      switch self {
      case .management: "martlet.sqlite"
      case .dumps(let region): "\(region.rawValue).sqlite"
      case .keys(let region): "keys/\(region.rawValue).sqlite"
      }
    }
  }

  /// Opens a database of the service beside it.
  func database(_ name: Name) throws -> any SQLDatabase {
    if let target = environment["MARTLET_DATABASE_\(name.variable)"] {
      var options = PostgresOptions()
      options.connections = 2
      options.statementTimeout = .seconds(120)
      return PostgresDatabase(target, options: options)
    }
    return try SQLiteDatabase(
      at: folder.appending(path: "data").appending(path: name.file),
      options: .init(erasesDeleted: false))
  }
}

/// A region's place among the databases.
enum LoadRegion: String, CaseIterable, Sendable {
  case eu = "eu"
  case usEast = "us-east"
  case usWest = "us-west"

  var variable: String {
    rawValue.uppercased().replacing("-", with: "_")
  }
}
