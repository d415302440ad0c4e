// How a service and a PostgreSQL server treat each other.

/// Bounds of a ``PostgresDatabase``. Whatever takes longer ends with a ``SQLFailure`` that is transient.
public struct PostgresOptions: Sendable {
  /// Connections that are open at once, at most; each has a thread. The server's `max_connections` must hold
  /// those of all processes.
  public var connections = 8
  /// Callers that wait for a connection, at most; further ones are refused at once.
  public var mostWaiting = 1_024
  /// How long a caller waits for a connection.
  public var acquireTimeout = Duration.milliseconds(500)
  /// How long one attempt to connect takes, in whole seconds; libpq knows no less than two.
  public var connectTimeout = Duration.seconds(5)
  /// How long one statement runs.
  public var statementTimeout = Duration.seconds(10)
  /// How long a statement waits for what another transaction holds, ``SQLDatabase/write(lock:_:)``
  /// included.
  public var lockTimeout = Duration.seconds(5)
  /// How much longer than a statement may run its answer may take before the server counts as gone.
  public var answerGrace = Duration.seconds(3)

  public init() {}
}

extension Duration {
  /// In whole milliseconds, from 1 on: 0 means 'for ever' to PostgreSQL.
  var millisecondsText: String { String(max(1, Int(self / .milliseconds(1)))) }
}
