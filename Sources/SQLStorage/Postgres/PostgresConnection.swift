// One connection to a PostgreSQL server over libpq.

import CLibPQ
import Foundation

/// A connection. One thread uses it at a time and waits in its calls, never longer than the options say.
///
/// Statements are prepared once and travel in libpq's pipeline mode: everything that one call sends is
/// one round trip. Reading and writing take turns, so that large values in both directions cannot lock
/// each other up.
final class PostgresConnection: SQLConnection {
  /// How many statements stay prepared on one connection.
  static let mostPrepared = 256

  let engine = SQLEngine.postgres
  private let connection: OpaquePointer
  private let options: PostgresOptions
  private var prepared: [StatementKey: String] = [:]
  private var preparedCount = 0
  /// What begins the transaction, until it goes to the server with the next round trip.
  private var preamble: [SQLText] = []
  /// What stores rows, and goes with the next round trip: nobody waits for its answer.
  private var pending: [SQLText] = []
  private(set) var isBroken = false

  /// A statement is prepared for the types of its values.
  private struct StatementKey: Hashable {
    var text: String
    var types: [Oid]
  }

  private struct Rendered {
    var key: StatementKey
    var values: [SQLValue]
    var isPrepared: Bool
  }

  /// What is answered once.
  private enum Step {
    case prepare(StatementKey)
    case execute
  }

  /// Connects, and sets up the session.
  /// - Parameter target: a URL or a list of `keyword=value` of libpq, TLS included.
  /// - Throws: ``SQLFailure``: `unavailable`, or `refused` for a server that cannot be used.
  init(_ target: String, options: PostgresOptions) throws(SQLFailure) {
    // What the target says goes before what stands in front of it.
    let timeout = max(2, Int(options.connectTimeout / .seconds(1)))
    let keywords = [
      ("connect_timeout", "\(timeout)"), ("application_name", "martlet-service"),
      ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
      ("dbname", target), ("client_encoding", "UTF8"),
    ]
    guard let connection = Self.connect(keywords) else {
      throw SQLFailure(code: .unavailable, message: "libpq has no memory")
    }
    guard PQstatus(connection) == CONNECTION_OK else {
      let message = String(cString: PQerrorMessage(connection))
      PQfinish(connection)
      throw SQLFailure(
        code: .unavailable, message: message.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    self.connection = connection
    self.options = options
    PQsetNoticeProcessor(connection, { _, _ in }, nil)
    guard PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else {
      throw broken("libpq cannot be set up")
    }
    try setUp()
  }

  deinit { PQfinish(connection) }

  private static func connect(_ keywords: [(String, String)]) -> OpaquePointer? {
    let names = keywords.map { strdup($0.0) }
    let values = keywords.map { strdup($0.1) }
    defer { for text in names + values { free(text) } }
    let nameList = names.map { UnsafePointer($0) } + [nil]
    let valueList = values.map { UnsafePointer($0) } + [nil]
    return PQconnectdbParams(nameList, valueList, 1)
  }

  private func setUp() throws(SQLFailure) {
    let encoding = PQparameterStatus(connection, "server_encoding").map { String(cString: $0) }
    guard encoding == nil || encoding == "UTF8" else {
      throw SQLFailure(
        code: .refused,
        message: "the database's encoding is \(encoding ?? "unknown"); UTF8 is needed")
    }
    try script(
      """
      SET statement_timeout = \(SQLText(raw: options.statementTimeout.millisecondsText));
      SET lock_timeout = \(SQLText(raw: options.lockTimeout.millisecondsText));
      SET idle_in_transaction_session_timeout = 60000;
      -- Compiling a statement for 30 partitions takes longer than any of ours runs. Not every engine can.
      SELECT set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'jit'
      """)
    let durability = try row(
      """
      SELECT current_setting('fsync', true) AS fsync,
        current_setting('synchronous_commit', true) AS commit
      """)
    guard let fsync: String = try durability?["fsync"] else { return }
    guard fsync == "on" else {
      throw SQLFailure(
        code: .refused, message: "the server has fsync off: it would lose what it acknowledged")
    }
    // Stronger settings stay; these two acknowledge before the disk has it, or the standby.
    if try durability?["commit"] == "off" { try script("SET synchronous_commit = on") }
  }

  // MARK: - Statements

  func rows(_ statement: SQLText) throws(SQLFailure) -> [SQLRow] {
    try rows(of: exchange([statement])[0])
  }

  @discardableResult func run(_ statement: SQLText) throws(SQLFailure) -> Int {
    try exchange([statement])[0].changedRows
  }

  func runAll(_ statements: [SQLText]) throws(SQLFailure) -> [Int] {
    guard !statements.isEmpty else { return [] }
    return try exchange(statements).map(\.changedRows)
  }

  func store(_ rows: [SQLRows]) throws(SQLFailure) { pending += rows.flatMap(\.statements) }

  func script(_ text: SQLText) throws(SQLFailure) {
    let text = try text.rendered { _ in "" }.text
    try flush()
    // Several statements in one text are for the simple protocol alone.
    guard PQexitPipelineMode(connection) == 1, PQsendQuery(connection, text) == 1 else {
      throw broken(lastMessage)
    }
    var failure: SQLFailure?
    let deadline = self.deadline
    while let result = try nextResult(deadline) { failure = failure ?? result.failure }
    try checkConnection(failure)
    guard PQenterPipelineMode(connection) == 1 else { throw broken(lastMessage) }
    if let failure { throw failure }
  }

  // MARK: - Transactions

  /// Begins a transaction together with the first statement.
  func begin(_ statements: [SQLText]) { preamble = statements }

  /// - Throws: ``SQLFailure``. With `unavailable` nobody knows whether it committed.
  func commit() throws(SQLFailure) {
    if !preamble.isEmpty {
      guard !pending.isEmpty else {
        preamble = []
        return
      }
      // A connection that died since its last use is to be found out before it can have committed.
      try flush()
    }
    let result = try exchange(["COMMIT"])[0]
    // A transaction in which a statement failed ends like this, without an error.
    guard result.command == "COMMIT" else {
      throw SQLFailure(
        code: .refused, message: "a statement of the transaction had failed: \(result.command)")
    }
  }

  /// Ends a transaction without effect. A connection that cannot do so is broken.
  func rollBack() {
    (preamble, pending) = ([], [])
    guard !isBroken, PQtransactionStatus(connection) != PQTRANS_IDLE else { return }
    do {
      _ = try exchange(["ROLLBACK"])
    } catch {
      isBroken = true
    }
  }

  /// Makes the connection ready for the next user, and says whether it is.
  func reset() -> Bool {
    guard !isBroken, preamble.isEmpty, pending.isEmpty,
      PQtransactionStatus(connection) == PQTRANS_IDLE
    else {
      return false
    }
    guard prepared.count > Self.mostPrepared else { return true }
    do {
      try script("DEALLOCATE ALL")
      prepared = [:]
      return true
    } catch {
      return false
    }
  }

  /// Whether the server still holds the other end: a server that went away said so, or closed it.
  func isAlive() -> Bool {
    guard !isBroken else { return false }
    var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
    guard poll(&descriptor, 1, 0) > 0 else { return true }
    guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else {
      isBroken = true
      return false
    }
    // A message about the end comes before the end itself.
    guard poll(&descriptor, 1, 0) > 0 else { return true }
    isBroken = PQconsumeInput(connection) == 0 || PQstatus(connection) != CONNECTION_OK
    return !isBroken
  }

  /// What others said on the channels that this connection listens to.
  /// - Parameter limit: how long to wait when nobody said anything yet.
  func notifications(within limit: Duration) throws(SQLFailure) -> [String] {
    var heard = pendingNotifications()
    if heard.isEmpty {
      var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
      _ = poll(&descriptor, 1, Int32(limit / .milliseconds(1)))
      guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else {
        throw broken(lastMessage)
      }
      heard = pendingNotifications()
    }
    return heard
  }

  private func pendingNotifications() -> [String] {
    var heard: [String] = []
    while let notification = PQnotifies(connection) {
      heard.append(String(cString: notification.pointee.extra))
      PQfreemem(notification)
    }
    return heard
  }

  // MARK: - Round trips

  private func flush() throws(SQLFailure) {
    guard !preamble.isEmpty || !pending.isEmpty else { return }
    _ = try exchange([])
  }

  /// Sends statements, after what is to go before them, and collects what each is answered.
  /// - Throws: the first failure. Those behind it were not run.
  private func exchange(_ statements: [SQLText]) throws(SQLFailure) -> [PostgresResult] {
    guard !isBroken else { throw broken("the connection is broken") }
    let before = preamble + pending
    var rendered: [Rendered] = []
    for statement in before + statements { rendered.append(try render(statement)) }
    (preamble, pending) = ([], [])
    let steps = try send(rendered)
    var results: [PostgresResult] = []
    var failure: SQLFailure?
    let deadline = self.deadline
    for step in steps {
      guard let result = try nextResult(deadline) else { throw broken("an answer is missing") }
      failure = failure ?? result.failure
      switch step {
      case .prepare(let key):
        if result.status != PGRES_COMMAND_OK { prepared[key] = nil }
      case .execute: results.append(result)
      }
      guard try nextResult(deadline) == nil else { throw broken("an answer is too many") }
    }
    guard let end = try nextResult(deadline), end.status == PGRES_PIPELINE_SYNC else {
      throw broken("the answers do not end")
    }
    try checkConnection(failure)
    if let failure { throw failure }
    return Array(results[before.count...])
  }

  private func render(_ statement: SQLText) throws(SQLFailure) -> Rendered {
    let (text, values) = try statement.rendered { "$\($0)" }
    return Rendered(
      key: StatementKey(text: text, types: values.map(\.postgresType)), values: values,
      isPrepared: !statement.isPlannedForItsValues)
  }

  /// Sends statements, and in front of each its preparation, unless that was done. Not all of these first: a
  /// transaction's isolation is set before anything else is parsed in it.
  private func send(_ statements: [Rendered]) throws(SQLFailure) -> [Step] {
    var steps: [Step] = []
    for statement in statements {
      let name = statement.isPrepared ? try prepare(statement.key, &steps) : nil
      let parameters = PostgresParameters(statement.values)
      let sent = parameters.lend { [connection] count, values, lengths, formats in
        if let name {
          PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1)
        } else {
          PQsendQueryParams(
            connection, statement.key.text, count, statement.key.types, values, lengths, formats, 1)
        }
      }
      guard sent == 1 else { throw broken(lastMessage) }
      steps.append(.execute)
    }
    guard PQpipelineSync(connection) == 1 else { throw broken(lastMessage) }
    return steps
  }

  /// The name of a prepared statement; prepares it when it is not.
  private func prepare(_ key: StatementKey, _ steps: inout [Step]) throws(SQLFailure) -> String {
    if let known = prepared[key] { return known }
    preparedCount += 1
    let name = "s\(preparedCount)"
    guard PQsendPrepare(connection, name, key.text, Int32(key.types.count), key.types) == 1
    else { throw broken(lastMessage) }
    prepared[key] = name
    steps.append(.prepare(key))
    return name
  }

  private var deadline: ContinuousClock.Instant {
    ContinuousClock.now + options.statementTimeout + options.answerGrace
  }

  /// The next result; `nil` at the end of those of one statement.
  private func nextResult(_ deadline: ContinuousClock.Instant) throws(SQLFailure)
    -> PostgresResult?
  {
    while true {
      let flushed = PQflush(connection)
      guard flushed >= 0 else { throw broken(lastMessage) }
      guard PQisBusy(connection) == 1 else { break }
      try awaitServer(writing: flushed == 1, deadline)
      guard PQconsumeInput(connection) == 1 else { throw broken(lastMessage) }
    }
    return PQgetResult(connection).map(PostgresResult.init)
  }

  private func awaitServer(writing: Bool, _ deadline: ContinuousClock.Instant) throws(SQLFailure) {
    let events = Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0)
    var descriptor = pollfd(fd: PQsocket(connection), events: events, revents: 0)
    while true {
      let left = (deadline - .now) / .milliseconds(1)
      guard left > 0 else { throw broken("the server does not answer") }
      let ready = poll(&descriptor, 1, Int32(left.rounded(.up)))
      if ready > 0 { return }
      guard ready == 0 || errno == EINTR else { throw broken("poll failed") }
    }
  }

  /// A failure that the connection did not survive, or must not.
  private func checkConnection(_ failure: SQLFailure?) throws(SQLFailure) {
    guard PQstatus(connection) == CONNECTION_OK else {
      isBroken = true
      throw failure?.code == .unavailable
        ? failure ?? broken(lastMessage) : broken(failure?.message ?? lastMessage)
    }
    if let failure {
      // A server that became a standby, or ends: the next connection may find a better one. A plan that
      // does not fit its table any more is prepared anew.
      if failure.code == .unavailable || failure.message.hasPrefix("cached plan") {
        isBroken = true
      }
    }
  }

  private func broken(_ message: String) -> SQLFailure {
    isBroken = true
    return SQLFailure(
      code: .unavailable, message: message.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  private var lastMessage: String { String(cString: PQerrorMessage(connection)) }

  private func rows(of result: PostgresResult) throws(SQLFailure) -> [SQLRow] {
    let width = PQnfields(result.pointer)
    let names = (0..<width).map { column in
      PQfname(result.pointer, column).map { String(cString: $0) } ?? ""
    }
    let columns = SQLColumns.named(names)
    let types = (0..<width).map { PQftype(result.pointer, $0) }
    var rows: [SQLRow] = []
    for row in 0..<PQntuples(result.pointer) {
      var values: [SQLValue] = []
      values.reserveCapacity(Int(width))
      for column in 0..<width {
        guard PQgetisnull(result.pointer, row, column) == 0 else {
          values.append(.null)
          continue
        }
        let bytes = UnsafeRawBufferPointer(
          start: PQgetvalue(result.pointer, row, column),
          count: Int(PQgetlength(result.pointer, row, column)))
        values.append(try SQLValue(postgres: bytes, type: types[Int(column)]))
      }
      rows.append(SQLRow(columns: columns, values: values))
    }
    return rows
  }
}
