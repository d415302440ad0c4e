// A database of either engine, and a connection to it, as stores see them.

/// Which engine runs a statement, and the words in which the engines differ.
public enum SQLEngine: String, Codable, Sendable {
  case sqlite = "SQLite"
  case postgres = "PostgreSQL"

  /// The type of a column with bytes.
  public var blob: SQLText { self == .sqlite ? "BLOB" : "BYTEA" }

  /// The type of a column with a number.
  public var integer: SQLText { self == .sqlite ? "INTEGER" : "BIGINT" }

  /// The type of a column with text that is compared and ordered by its bytes, and of which `lower` changes
  /// A to Z alone, whatever language the database was made for.
  public var text: SQLText { self == .sqlite ? "TEXT" : "TEXT COLLATE \"C\"" }

  /// What ends `CREATE TABLE (...)`: values of another type than the column's are refused.
  public var strict: SQLText { self == .sqlite ? "STRICT" : "" }

  /// The same, for a table that is found by its primary key alone.
  public var strictKeyed: SQLText { self == .sqlite ? "STRICT, WITHOUT ROWID" : "" }
}

/// A connection, inside of a closure that was given to ``SQLDatabase``. Not to be kept.
///
/// After a statement failed the transaction is over: on PostgreSQL nothing but its end is accepted, so
/// closures let failures pass.
public protocol SQLConnection {
  var engine: SQLEngine { get }

  /// All rows that a statement answers.
  func rows(_ statement: SQLText) throws(SQLFailure) -> [SQLRow]

  /// Runs a statement that answers no rows.
  /// - Returns: how many rows it changed.
  @discardableResult func run(_ statement: SQLText) throws(SQLFailure) -> Int

  /// Runs several statements that answer no rows, in their order. On PostgreSQL they are one round trip.
  /// When one fails, those behind it are not run.
  /// - Returns: how many rows each changed.
  func runAll(_ statements: [SQLText]) throws(SQLFailure) -> [Int]

  /// Stores rows whose statement answers something (`RETURNING`).
  func rows(storing rows: SQLRows) throws(SQLFailure) -> [SQLRow]

  /// Stores rows, in their order. On PostgreSQL they go with the next statement or the commit, which throws
  /// what is wrong with them.
  func store(_ rows: [SQLRows]) throws(SQLFailure)

  /// Runs several statements, separated by semicolons; no value can be bound.
  func script(_ text: SQLText) throws(SQLFailure)
}

extension SQLConnection {
  public func runAll(_ statements: [SQLText]) throws(SQLFailure) -> [Int] {
    var counts: [Int] = []
    for statement in statements { counts.append(try run(statement)) }
    return counts
  }

  /// The first row of an answer, if there is one.
  public func row(_ statement: SQLText) throws(SQLFailure) -> SQLRow? { try rows(statement).first }

  /// The column `value` of the first row; `nil` without a row or for NULL.
  public func value<Value: SQLConvertible>(_ statement: SQLText, as type: Value.Type = Value.self)
    throws(SQLFailure) -> Value?
  {
    guard let row = try row(statement) else { return nil }
    return try row["value"]
  }
}

/// A database. Closures run on threads that may block, one statement after the other. They may run more
/// than once, when the engine ended a transaction for another's sake: they do nothing but work with the
/// connection.
public protocol SQLDatabase: Sendable {
  var engine: SQLEngine { get }

  /// Runs `body` in a transaction that only reads: all its statements see the same state.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value

  /// The rows that one statement answers, by the shortest way.
  func rows(_ statement: SQLText) async throws -> [SQLRow]

  /// Runs `body`, which only reads and is soon done, by the shortest way: each of its statements sees the
  /// state of its own moment on SQLite, and all the same one on PostgreSQL.
  func look<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value

  /// Runs `body` in one transaction. It is on disk when the call returns; when `body` or the commit
  /// throws, nothing of it is.
  ///
  /// On SQLite one write runs at a time. On PostgreSQL several do, in READ COMMITTED, unless they ask
  /// for a lock of the same name.
  /// - Parameter lock: held until the transaction ends, by one writer of any process at a time.
  func write<Value: Sendable>(
    lock: String?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value

  /// Leaves nothing of rows that were deleted from a table, as far as the engine's files go.
  func eraseDeleted(_ table: String) async throws

  /// Closes every connection. What is asked afterwards fails.
  func close() async throws
}

extension SQLDatabase {
  public func rows(_ statement: SQLText) async throws -> [SQLRow] {
    try await read { try $0.rows(statement) }
  }

  @discardableResult public func write<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await write(lock: nil, body)
  }
}
