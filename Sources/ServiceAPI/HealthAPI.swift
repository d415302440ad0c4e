// What the service says of its own condition.

/// The answer of `GET /readyz`.
public struct ReadinessReport: Codable, Equatable, Sendable {
  /// One thing that has to be right.
  public struct Check: Codable, Equatable, Sendable {
    /// Such as `database.eu`, `disk`, `clock`, `certificate` or `running`.
    public var name: String
    public var isOK: Bool
    /// What is wrong, and what it means; absent when nothing is.
    public var message: String?

    /// - Parameter problem: what is wrong; `nil` when nothing is.
    public init(_ name: String, problem: String? = nil) {
      self.name = name
      isOK = problem == nil
      message = problem
    }
  }

  /// Whether the service may be sent requests.
  public var isReady: Bool
  public var checks: [Check]

  public init(_ checks: [Check]) {
    isReady = checks.allSatisfy(\.isOK)
    self.checks = checks
  }
}
