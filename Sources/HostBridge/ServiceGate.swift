// When the service as a whole is left alone, whatever each device still has to wait for.

/// Closes when the service asks for quiet or is not there, and lets a single call through to find out
/// whether it is well again.
struct ServiceGate {
  /// Calls that run at the same time.
  static let mostCalls = 4
  /// So many devices failing without a success between them are not those devices' own trouble.
  static let mostFailures = 4

  /// Nothing is called before.
  private(set) var until: Duration = .zero
  private var failing: Set<String> = []
  private var backoff = Backoff(base: .milliseconds(500), cap: .seconds(60))

  /// Whether the service counts as away.
  var isShut: Bool { failing.count >= Self.mostFailures || until > .zero }

  func isShut(at now: Duration) -> Bool { now < until }

  /// How many calls may run now.
  var mostCalls: Int { isShut ? 1 : Self.mostCalls }

  /// A call was answered.
  mutating func open() { self = ServiceGate() }

  mutating func failed(
    _ failure: ServiceFailure, device: String, now: Duration,
    using generator: inout some RandomNumberGenerator
  ) {
    switch failure.condition {
    case .unreachable, .untrusted, .notUnderstood, .failing, .busy, .refusing:
      failing.insert(device)
    case .unknown, .ok:
      open()
      return
    }
    if let quiet = failure.retryAfter { until = max(until, now + quiet) }
    if failing.count >= Self.mostFailures {
      until = max(until, now + backoff.next(using: &generator))
    }
  }
}
