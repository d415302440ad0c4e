// A connection with the thread that waits for it.

import Synchronization

/// A place in the pool: connects when it is used for the first time, and again when its connection broke.
final class PostgresSession: Sendable {
  private let target: String
  private let options: PostgresOptions
  private let thread = BlockingThread(name: "postgres")
  /// Its thread alone takes it, so nobody waits for the lock.
  private let connection = Mutex<PostgresConnection?>(nil)

  init(_ target: String, options: PostgresOptions) {
    self.target = target
    self.options = options
  }

  /// Runs `body` with a connection that is there, as far as one can know. Says whether that one was
  /// made before, so that it may have been dead without a sign.
  func run<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection, _ isReused: Bool) throws -> Value
  ) async throws -> Value {
    try await thread.run { [self] in
      try connection.withLock { held in
        if held?.isAlive() == false { held = nil }
        let isReused = held != nil
        let connection = try held ?? PostgresConnection(target, options: options)
        held = connection
        defer { if !connection.reset() { held = nil } }
        return try body(connection, isReused)
      }
    }
  }

  /// Closes the connection. The next use makes another.
  func close() async {
    try? await thread.run { [self] in connection.withLock { $0 = nil } }
  }
}
