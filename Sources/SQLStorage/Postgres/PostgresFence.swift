// How processes that share a database agree that what they remember of it still holds.

import CLibPQ
import Foundation
import Synchronization

/// A process's part in a fence: who is inside may rely on what it read there before, and who wants to
/// change that waits until everybody is outside.
///
/// Inside means: the session of a connection of its own holds one advisory lock shared. Who changes something
/// announces it (NOTIFY), waits in its transaction for that lock alone, and gives it back with the commit. A
/// second lock keeps those outside that just went: they come in again behind the change.
///
/// A process that is inside is written down, with a lock that ends with its session. One that is written
/// down and has no session any more was cut off, and may be finishing what it began inside; a change
/// waits ``grace`` for that.
public final class PostgresFence: Sendable {
  private let target: String
  private let options: PostgresOptions
  private let name: String
  private let grace: Duration
  private let thread = BlockingThread(name: "postgres-fence")
  private let state = Mutex(State())

  private struct State {
    var connection: PostgresConnection?
    /// Under which name the process is written down; a new one with each connection.
    var holder = ""
  }

  /// - Parameters:
  ///   - target: of the database, as for ``PostgresDatabase``.
  ///   - name: of the fence; several may be in one database.
  ///   - grace: longer than anything takes that a process does inside, from the moment on when its
  ///     connection is cut.
  public init(
    _ target: String, name: String, grace: Duration = .seconds(20),
    options: PostgresOptions = PostgresOptions()
  ) {
    self.target = target
    self.name = name
    self.grace = grace
    self.options = options
  }

  /// Makes the table of those inside.
  public static func makeTable(_ db: any SQLConnection) throws {
    try db.script(
      """
      CREATE TABLE fenceHolders (
        id TEXT NOT NULL PRIMARY KEY,
        fence TEXT NOT NULL,
        -- When somebody saw that the session is gone, by the server's clock.
        goneAt BIGINT
      )
      """)
  }

  // MARK: - Inside

  /// Goes inside with a new connection. Nothing that began inside before may
  /// run any more.
  public func enter() async throws {
    try await use { fence, state in
      let before = state.holder
      state.connection = nil
      let connection = try PostgresConnection(fence.target, options: fence.options)
      let holder = UUID().uuidString.lowercased()
      try connection.script("LISTEN \(SQLText(raw: fence.channel))")
      try connection.run("SELECT pg_advisory_lock(\(Self.key(holder)))")
      try connection.run(
        "INSERT INTO fenceHolders (id, fence) VALUES (\(holder), \(fence.name))")
      state.connection = connection
      state.holder = holder
      try fence.goIn(connection)
      // All that began under the old name is over.
      if !before.isEmpty { try connection.run("DELETE FROM fenceHolders WHERE id = \(before)") }
    }
  }

  /// Waits for others' announcements, and proves that the session is still there.
  /// - Returns: what they said; empty when nobody said anything in time.
  /// - Throws: ``SQLFailure`` when the session is gone: the process is outside.
  public func announcements(within limit: Duration) async throws -> [String] {
    try await use { _, state in
      guard let connection = state.connection else { throw SQLFailure.cutOff }
      let own = state.holder + " "
      return try connection.notifications(within: limit).compactMap {
        $0.hasPrefix(own) ? nil : $0.split(separator: " ", maxSplits: 1).last.map(String.init)
      }
    }
  }

  /// Proves that the session is still there, and notes whose is not.
  public func beat() async throws {
    try await use { fence, state in
      guard let connection = state.connection else { throw SQLFailure.cutOff }
      try connection.run(
        """
        UPDATE fenceHolders SET goneAt = \(Self.now)
        WHERE fence = \(fence.name) AND goneAt IS NULL AND id <> \(state.holder)
        AND pg_try_advisory_xact_lock(hashtextextended('martlet/fence/' || id, 0))
        """)
    }
  }

  // MARK: - Changing

  /// Goes outside, keeps others from going inside, and has those who are inside come out.
  /// - Parameter message: what changes; without line breaks, at most 7,000 bytes.
  public func beginChange(_ message: String) async throws {
    try await use { fence, state in
      guard let connection = state.connection else { throw SQLFailure.cutOff }
      _ = try connection.runAll([
        "SELECT pg_advisory_unlock_shared(\(fence.inside))",
        "SELECT pg_advisory_lock(\(fence.door))",
        "SELECT pg_notify(\(fence.channel), \("\(state.holder) \(message)"))",
      ])
    }
  }

  /// In the transaction of the change, in front of all else: waits until nobody is inside.
  /// - Throws: ``SQLFailure`` with `busy` when somebody does not come out, or was cut off a short while
  ///   ago.
  public func holdAlone(_ db: any SQLConnection) throws {
    try db.run("SELECT pg_advisory_xact_lock(\(inside))")
    let gone = try db.rows(
      """
      SELECT id, \(Self.now) - goneAt AS age FROM fenceHolders
      WHERE fence = \(name) AND pg_try_advisory_xact_lock(hashtextextended('martlet/fence/' || id, 0))
      """)
    for row in gone {
      guard let age: Int64 = try row["age"], age > Int64(grace / .milliseconds(1)) else {
        throw SQLFailure(
          code: .busy, message: "a process was cut off; what it had begun may be going on still")
      }
      try db.run("DELETE FROM fenceHolders WHERE id = \(try row["id"] as String)")
    }
  }

  /// Goes inside again, and lets others.
  public func endChange() async throws {
    try await use { fence, state in
      guard let connection = state.connection else { throw SQLFailure.cutOff }
      _ = try connection.runAll([
        "SELECT pg_advisory_lock_shared(\(fence.inside))",
        "SELECT pg_advisory_unlock(\(fence.door))",
      ])
    }
  }

  /// Goes outside and comes in again behind whoever changes something.
  public func letChange() async throws {
    try await use { fence, state in
      guard let connection = state.connection else { throw SQLFailure.cutOff }
      try connection.run("SELECT pg_advisory_unlock_shared(\(fence.inside))")
      try fence.goIn(connection)
    }
  }

  /// Gives everything up: with the connection its locks end.
  public func cutOff() async {
    _ = try? await thread.run { [self] in state.withLock { $0.connection = nil } }
  }

  /// Goes outside for good. Nothing that began inside may run any more.
  public func leave() async {
    try? await use { _, state in
      try state.connection?.run("DELETE FROM fenceHolders WHERE id = \(state.holder)")
      state.connection = nil
      state.holder = ""
    }
  }

  // MARK: - Parts

  private func use<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresFence, inout State) throws -> Value
  ) async throws -> Value {
    try await thread.run { [self] in
      try state.withLock { state in
        do {
          return try body(self, &state)
        } catch {
          // Which of its locks it has is not known for sure: it has none.
          state.connection = nil
          throw error
        }
      }
    }
  }

  private func goIn(_ connection: PostgresConnection?) throws(SQLFailure) {
    _ = try connection?.runAll([
      "SELECT pg_advisory_lock_shared(\(door))", "SELECT pg_advisory_lock_shared(\(inside))",
      "SELECT pg_advisory_unlock_shared(\(door))",
    ])
  }

  private var inside: SQLText { .lockKey("fence/\(name)") }
  private var door: SQLText { .lockKey("fence/\(name)/door") }
  /// Channels are the database's: others in other schemas come out without need, which does no harm.
  private var channel: String { "martlet_fence_\(name)" }

  private static func key(_ holder: String) -> SQLText {
    "hashtextextended(\("martlet/fence/\(holder)"), 0)"
  }

  private static var now: SQLText {
    "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
  }
}

extension SQLFailure {
  fileprivate static let cutOff = SQLFailure(
    code: .unavailable, message: "the connection that guards what is remembered is cut off")
}
