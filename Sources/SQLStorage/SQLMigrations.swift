// Brings a database's schema up to date, step by step.

/// The steps that lead from an empty database to the schema of this version. Steps are never changed
/// once a version with them was given out; new ones go to the end.
public struct SQLMigrations: Sendable {
  public typealias Step = @Sendable (any SQLConnection) throws -> Void

  private var steps: [(name: String, step: Step)] = []

  public init() {}

  /// - Parameter name: unique, and the same for good.
  public mutating func add(_ name: String, _ step: @escaping Step) { steps.append((name, step)) }

  /// Runs the steps that the database has not had yet. All of them or none are applied.
  /// - Throws: ``SQLFailure`` with `damaged` for a database that a newer version made, or one with
  ///   tables that no step made.
  public func apply(to database: some SQLDatabase) async throws {
    let steps = steps
    try await database.write(lock: "migrations") { connection in
      let tables = try connection.rows(connection.engine.tables).map { try $0["name"] as String }
      if !tables.contains("migrations") {
        guard tables.isEmpty else {
          throw SQLFailure(
            code: .damaged,
            message: "it has tables of another version or program (such as '\(tables[0])')")
        }
        try connection.script("CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY)")
      }
      let applied = try connection.rows("SELECT name FROM migrations").map {
        try $0["name"] as String
      }
      if let unknown = applied.first(where: { name in !steps.contains { $0.name == name } }) {
        throw SQLFailure(
          code: .damaged,
          message: "a newer version of the service made it (it knows '\(unknown)')")
      }
      for (name, step) in steps where !applied.contains(name) {
        try step(connection)
        try connection.run("INSERT INTO migrations (name) VALUES (\(name))")
      }
    }
  }
}

extension SQLEngine {
  /// Lists the tables that are not the engine's own.
  fileprivate var tables: SQLText {
    switch self {
    case .sqlite:
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    case .postgres:
      """
      SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema()
      ORDER BY tablename
      """
    }
  }
}
