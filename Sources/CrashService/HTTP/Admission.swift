// Lets only so much in at once, so that what was let in is finished.

import Synchronization

/// Counts the dumps that are being taken. One more than there is room for is refused before its body is read:
/// a service that accepts all it is offered finishes nothing in time, and is slowest when it is needed most.
final class Admission: Sendable {
  /// The most dumps that are being received, opened or stored.
  let most: Int
  private let inside = Mutex(0)

  init(most: Int) { self.most = max(1, most) }

  /// How many are inside.
  var count: Int { inside.withLock { $0 } }

  /// Runs `body` inside.
  /// - Throws: ``ServiceFailure/overloaded`` at once when there is no room, or what `body` throws.
  func admit<Value>(_ body: () async throws -> Value) async throws -> Value {
    let isAdmitted = inside.withLock { inside in
      guard inside < most else { return false }
      inside += 1
      return true
    }
    guard isAdmitted else { throw ServiceFailure.overloaded }
    defer { inside.withLock { $0 -= 1 } }
    return try await body()
  }
}

extension ServiceFailure {
  /// More came at once than can be finished.
  static let overloaded = ServiceFailure(
    .serviceUnavailable, code: "Overloaded",
    message: "The service has as much to do as it can finish in time. Nothing was stored; send it "
      + "again.",
    retryAfter: 1)
}
