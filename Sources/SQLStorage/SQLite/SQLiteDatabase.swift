// A database in one SQLite file, so that what was committed survives a power cut.

import Foundation
import GRDB
import Synchronization

/// One SQLite file in WAL mode with `synchronous=FULL`: a commit is on disk when the call that made it
/// returns. One write at a time, reads beside it.
public final class SQLiteDatabase: SQLDatabase {
  /// What a file is tuned to.
  public struct Options: Sendable {
    /// Whether what is deleted is overwritten with zeros.
    public var erasesDeleted: Bool
    /// Pages of 4 KiB in the log from which on a commit moves them to the file. Pages that many commits
    /// change, as those of indices are, are then moved once for all of them; but that commit takes the longer.
    public var logPages: Int

    public init(erasesDeleted: Bool = true, logPages: Int = 1000) {
      self.erasesDeleted = erasesDeleted
      self.logPages = logPages
    }
  }

  public let engine = SQLEngine.sqlite
  private let pool: DatabasePool
  private let lookups: LookupConnections

  /// Opens or makes the file. Temporary data stays in memory, so that nothing of the database is
  /// written anywhere else.
  /// - Throws: ``SQLFailure``.
  public init(at url: URL, options: Options = Options()) throws(SQLFailure) {
    lookups = LookupConnections(url)
    pool = try translated {
      var configuration = Configuration()
      configuration.busyMode = .timeout(10)
      configuration.maximumReaderCount = 4
      configuration.prepareDatabase {
        try $0.execute(
          sql: """
            PRAGMA wal_autocheckpoint = \(options.logPages);
            PRAGMA temp_store = MEMORY;
            PRAGMA secure_delete = \(options.erasesDeleted ? "ON" : "OFF");
            """)
      }
      let pool = try DatabasePool(path: url.path, configuration: configuration)
      // The pool sets NORMAL on its writer after `prepareDatabase`, so FULL is set once it is open. The
      // log of an earlier run is emptied: it may hold some that was deleted.
      try pool.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA synchronous = FULL")
        do {
          try db.checkpoint(.truncate)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
          // Another process does the same just now.
        }
      }
      return pool
    }
  }

  public func read<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await translating { [pool] in try await pool.read { try body(SQLiteConnection(db: $0)) } }
  }

  /// On the calling thread: a look into an index takes less than waking another.
  public func rows(_ statement: SQLText) async throws -> [SQLRow] {
    // One statement sees one state without a transaction.
    try lookups.run { try $0.rows(statement) }
  }

  public func look<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try lookups.run(body)
  }

  public func write<Value: Sendable>(
    lock: String?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await translating { [pool] in try await pool.write { try body(SQLiteConnection(db: $0)) } }
  }

  /// With ``Options/erasesDeleted`` the pages are zeros already; the log may hold them still, so it is
  /// emptied, for which writers wait.
  public func eraseDeleted(_ table: String) async throws {
    try await translating { [pool] in
      try await pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
    }
  }

  /// Writes a copy of a database's present state to a file that does not exist yet. Other processes may use
  /// the database meanwhile.
  public static func copy(_ source: URL, to target: URL) throws(SQLFailure) {
    try translated {
      var configuration = Configuration()
      configuration.busyMode = .timeout(10)
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA temp_store = MEMORY") }
      let queue = try DatabaseQueue(path: source.path, configuration: configuration)
      defer { try? queue.close() }
      try queue.writeWithoutTransaction {
        try $0.execute(sql: "VACUUM INTO ?", arguments: [target.path])
      }
    }
  }

  public func close() async throws {
    try translated {
      try lookups.close()
      try pool.close()
    }
  }
}

/// Connections for a few statements on the calling thread, as many as there are threads that call: so
/// nobody waits for one. The pool's readers are not for that: who waits for one of those holds a thread
/// that another reader may need to finish.
private final class LookupConnections: Sendable {
  private struct State {
    var idle: [DatabaseQueue] = []
    var isClosed = false
  }

  private let url: URL
  private let state = Mutex(State())

  init(_ url: URL) { self.url = url }

  func run<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value {
    do {
      let queue = try take()
      defer { giveBack(queue) }
      return try queue.unsafeRead { try body(SQLiteConnection(db: $0)) }
    } catch let error as DatabaseError {
      throw SQLFailure(error)
    }
  }

  func close() throws {
    let idle = state.withLock { state in
      defer { state.idle = [] }
      state.isClosed = true
      return state.idle
    }
    for queue in idle { try queue.close() }
  }

  private func take() throws -> DatabaseQueue {
    let idle = try state.withLock { state in
      guard !state.isClosed else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
      return state.idle.popLast()
    }
    if let idle { return idle }
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase {
      try $0.execute(sql: "PRAGMA temp_store = MEMORY; PRAGMA query_only = ON")
    }
    return try DatabaseQueue(path: url.path, configuration: configuration)
  }

  private func giveBack(_ queue: DatabaseQueue) {
    let isClosed = state.withLock { state in
      if !state.isClosed { state.idle.append(queue) }
      return state.isClosed
    }
    if isClosed { try? queue.close() }
  }
}

/// A connection of GRDB as stores see it. Statements are prepared once.
struct SQLiteConnection: SQLConnection {
  let db: Database

  var engine: SQLEngine { .sqlite }

  func rows(_ statement: SQLText) throws(SQLFailure) -> [SQLRow] {
    try translated {
      let (prepared, arguments) = try prepare(statement)
      return try self.rows(prepared, arguments)
    }
  }

  private func rows(_ prepared: Statement, _ arguments: StatementArguments) throws -> [SQLRow] {
    let columns = SQLColumns.named(prepared.columnNames)
    var rows: [SQLRow] = []
    let cursor = try Row.fetchCursor(prepared, arguments: arguments)
    while let row = try cursor.next() {
      rows.append(SQLRow(columns: columns, values: row.databaseValues.map(SQLValue.init)))
    }
    return rows
  }

  func run(_ statement: SQLText) throws(SQLFailure) -> Int {
    try translated {
      let (prepared, arguments) = try prepare(statement)
      try prepared.execute(arguments: arguments)
      return db.changesCount
    }
  }

  /// One by one: within a process a statement costs nothing but its text, which is short then.
  func rows(storing rows: SQLRows) throws(SQLFailure) -> [SQLRow] {
    try translated {
      let prepared = try db.cachedStatement(sql: rows.insert.single)
      return try rows.rows.flatMap { try self.rows(prepared, arguments(of: $0)) }
    }
  }

  func store(_ rows: [SQLRows]) throws(SQLFailure) {
    try translated {
      for rows in rows {
        let prepared = try db.cachedStatement(sql: rows.insert.single)
        for row in rows.rows { try prepared.execute(arguments: arguments(of: row)) }
      }
    }
  }

  func script(_ text: SQLText) throws(SQLFailure) {
    try translated { try db.execute(sql: text.rendered(placeholder: { _ in "" }).text) }
  }

  private func prepare(_ statement: SQLText) throws -> (Statement, StatementArguments) {
    let (text, values) = try statement.rendered { _ in "?" }
    return (try db.cachedStatement(sql: text), StatementArguments(values.map { $0.bound }))
  }

  /// A row's values, which no text has been made of, and so nobody has looked at.
  private func arguments(of row: [SQLValue]) throws(SQLFailure) -> StatementArguments {
    for value in row { try value.checkStorable() }
    return StatementArguments(row.map { $0.bound })
  }
}

extension SQLValue {
  /// The value as GRDB binds it.
  fileprivate var bound: (any DatabaseValueConvertible)? {
    switch self {
    case .null: nil
    case .integer(let number): number
    case .text(let text): text
    case .blob(let bytes): bytes
    }
  }

  fileprivate init(_ value: DatabaseValue) {
    switch value.storage {
    case .null: self = .null
    case .int64(let number): self = .integer(number)
    case .double(let number): self = .text("\(number)")
    case .string(let text): self = .text(text)
    case .blob(let bytes): self = .blob(bytes)
    }
  }
}

/// Runs `body` with GRDB's errors as ``SQLFailure``.
private func translated<Value>(_ body: () throws -> Value) throws(SQLFailure) -> Value {
  do {
    return try body()
  } catch let failure as SQLFailure {
    throw failure
  } catch {
    throw SQLFailure(error)
  }
}

/// Runs `body` with GRDB's errors as ``SQLFailure``; others pass.
private func translating<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws
  -> Value
{
  do {
    return try await body()
  } catch let error as DatabaseError {
    throw SQLFailure(error)
  }
}

extension SQLFailure {
  fileprivate init(_ error: any Error) {
    guard let error = error as? DatabaseError else {
      self.init(code: .unavailable, message: "\(error)")
      return
    }
    let code: Code =
      switch error.resultCode {
      case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
      case .SQLITE_FULL: .storageFull
      case .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM: .storageFull
      case .SQLITE_CONSTRAINT: .constraint
      case .SQLITE_CORRUPT, .SQLITE_NOTADB: .damaged
      case .SQLITE_MISUSE, .SQLITE_ABORT, .SQLITE_INTERRUPT: .unavailable
      default: .refused
      }
    self.init(
      code: code, message: "\(error.message ?? "no reason") (\(error.extendedResultCode.rawValue))")
  }
}
