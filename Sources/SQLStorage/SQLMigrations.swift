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
  /// - Throws: ``SQLFailure`` with `damaged` for a database that a newer version made.
  public func apply(to database: some SQLDatabase) async throws {
    let steps = steps
    try await database.write(lock: "migrations") { connection in
      try connection.script(
        """
        CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY)
        """)
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
