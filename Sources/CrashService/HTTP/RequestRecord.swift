// What becomes known of a request on its way through the service, for its log line and for metrics.

import Synchronization

/// Notes that every copy of a request's ``ServiceContext`` shares.
final class RequestRecord: Sendable {
  struct Notes {
    /// ``Endpoint/id``; `nil` until a route was found.
    var operation: String?
    /// ``Principal/name`` of a caller who was let in.
    var principal: String?
    /// The code of a refusal.
    var code: String?
  }

  private let state = Mutex(Notes())

  var notes: Notes { state.withLock { $0 } }

  func note(operation: String) { state.withLock { $0.operation = operation } }
  func note(principal: Principal) { state.withLock { $0.principal = principal.name } }
  func note(code: String) { state.withLock { $0.code = code } }
}
