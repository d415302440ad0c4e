// How much of the service one connection, one address and all of them may take.

import NIOCore

/// Limits of connections. The defaults are far from what bridges and operators do.
public struct TransportLimits: Sendable {
  /// From the connection's begin to the end of its first request's head, its TLS handshake included. Bytes
  /// that come in between do not prolong it.
  public var headTime: TimeAmount = .seconds(15)
  /// From an answer's end to the end of the next request's head.
  public var idleTime: TimeAmount = .seconds(60)
  /// What every request's body gets, beside its size at ``slowestRate``; and how long an answer may wait for
  /// a client that does not read it.
  public var patience: TimeAmount = .seconds(15)
  /// Bytes a second that a body keeps up on average.
  public var slowestRate = 4096
  /// Bytes of all header fields of a request, and of one of them.
  public var headerBytes = 32 * 1024
  public var headerFields = 100
  /// Connections in all.
  public var connections = 8192
  /// Connections from one address.
  public var connectionsPerAddress = 2048

  public init() {}
}

/// How many requests a second one caller may make, on average over ten seconds. 0 for no limit.
public struct RateLimits: Sendable {
  public var requestsPerLogin: Double
  public var requestsPerAddress: Double
  /// Logins that are none, from one address: who guesses tokens.
  public var failedLoginsPerAddress: Double

  public init(
    requestsPerLogin: Double = 50_000, requestsPerAddress: Double = 50_000,
    failedLoginsPerAddress: Double = 100
  ) {
    self.requestsPerLogin = requestsPerLogin
    self.requestsPerAddress = requestsPerAddress
    self.failedLoginsPerAddress = failedLoginsPerAddress
  }
}
