// A PostgreSQL database behind a pool of connections.

/// A database of a PostgreSQL server, or of an engine that speaks its protocol. Several processes may use
/// it at once.
///
/// Connections are made when they are needed and made anew after the server was away. A transaction that
/// the server ends because of another one (deadlock, serialization) is run again, as is one whose
/// connection turned out to be dead before it could commit: closures work on the connection alone.
public final class PostgresDatabase: SQLDatabase {
  /// How often a transaction is begun before the caller hears that it is in another's way.
  private static let attempts = 4

  public let engine = SQLEngine.postgres
  private let pool: PostgresPool
  private let target: String
  private let options: PostgresOptions

  /// Does not connect yet.
  /// - Parameter target: a URL (`postgresql://user@host/database?sslmode=verify-full`) or a list of
  ///   `keyword=value`, as libpq reads them; the manual's chapter 'Connection Strings' has all words,
  ///   those for TLS included.
  public init(_ target: String, options: PostgresOptions = PostgresOptions()) {
    self.target = target
    self.options = options
    pool = PostgresPool(target, options: options)
  }

  /// How many callers wait for a connection.
  public var waitingCount: Int { pool.waitingCount }

  public func read<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await transact(["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"], body)
  }

  public func look<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await read(body)
  }

  public func rows(_ statement: SQLText) async throws -> [SQLRow] {
    // A statement alone sees one state without a transaction.
    try await attempt { connection in try connection.rows(statement) }
  }

  public func write<Value: Sendable>(
    lock: String?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    var preamble: [SQLText] = ["BEGIN"]
    if let lock { preamble.append("SELECT pg_advisory_xact_lock(\(SQLText.lockKey(lock)))") }
    return try await transact(preamble, body)
  }

  /// Writes the table to a new file and removes the old one, while nobody else uses it. The server's
  /// write-ahead log keeps for a while what was in it.
  public func eraseDeleted(_ table: String) async throws {
    try await attempt { connection in try connection.script(SQLText(raw: "VACUUM FULL \(table)")) }
  }

  /// Runs `work` while no other process holds the turn of that name. It may use the database: the turn
  /// has a connection of its own, which is closed at the end, and the turn with it.
  /// - Returns: what `work` returns; `nil` when another holds the turn.
  public func holding<Value: Sendable>(
    turn: String, _ work: @Sendable () async throws -> Value
  ) async throws -> Value? {
    let session = PostgresSession(target, options: options)
    let result: Result<Value?, any Error>
    do {
      let isHeld: Bool = try await session.run { connection, _ in
        try connection.value("SELECT pg_try_advisory_lock(\(SQLText.lockKey(turn))) AS value")
          ?? false
      }
      result = .success(isHeld ? try await work() : nil)
    } catch {
      result = .failure(error)
    }
    // The server notices the end of the session later than the next who asks for the turn.
    _ = try? await session.run { connection, _ in
      try connection.rows("SELECT pg_advisory_unlock(\(SQLText.lockKey(turn)))")
    }
    await session.close()
    return try result.get()
  }

  public func close() async throws { await pool.close() }

  private func transact<Value: Sendable>(
    _ preamble: [SQLText], _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await attempt { connection in
      connection.begin(preamble)
      do {
        let value = try body(connection)
        do throws(SQLFailure) {
          try connection.commit()
        } catch {
          throw error.code == .unavailable ? CommitUnknown(failure: error) : error
        }
        return value
      } catch {
        connection.rollBack()
        throw error
      }
    }
  }

  /// Runs `work`, and again when that may help and cannot do anything twice.
  private func attempt<Value: Sendable>(
    _ work: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws -> Value {
    var attempt = 1
    while true {
      do {
        return try await pool.lend { session in
          try await session.run { connection, isReused in
            do {
              return try work(connection)
            } catch let failure as SQLFailure where failure.code == .unavailable && isReused {
              throw DeadConnection(failure: failure)
            }
          }
        }
      } catch let unknown as CommitUnknown {
        throw unknown.failure
      } catch let dead as DeadConnection {
        guard attempt < 2 else { throw dead.failure }
      } catch let failure as SQLFailure where failure.isConflict {
        guard attempt < Self.attempts else { throw failure }
      }
      try Task.checkCancellation()
      attempt += 1
    }
  }
}

/// The connection broke while it committed.
private struct CommitUnknown: Error {
  var failure: SQLFailure
}

/// A connection of an earlier use did not work any more.
private struct DeadConnection: Error {
  var failure: SQLFailure
}

extension SQLText {
  /// The number of a lock that is known by its name, in the schema where the connection makes its tables.
  static func lockKey(_ name: String) -> SQLText {
    "hashtextextended('martlet/' || current_schema() || '/' || \(name), 0)"
  }
}
