// What the bridge counts for Prometheus.

import Foundation
import Synchronization

/// Counts events and calls to the service. Memory is bounded by the number of boards and by the closed
/// sets of reasons.
public final class BridgeMetrics: Sendable {
  struct Counters {
    var offered = 0
    var spooled = 0
    var spooledBytes = 0
    var uploaded = 0
    var uploadedBytes = 0
    var refused: [BridgeEvent.Cause: Int] = [:]
    var purged = 0
    var purgedBytes = 0
    var evicted = 0
    var expired = 0
    var warnings = 0
    /// Times each line was opened.
    var connections: [String: Int] = [:]
    var consoleLines: [String: Int] = [:]
    /// By call, then by `ok` or the condition of the service.
    var calls: [ServiceCall: [String: Int]] = [:]
  }

  private let counters = Mutex(Counters())

  public init() {}

  var now: Counters { counters.withLock { $0 } }

  /// Takes an event. Callable from any task.
  public func take(_ event: BridgeEvent) { counters.withLock { $0.take(event) } }

  /// Takes the end of a call to the service.
  public func take(_ call: ServiceCall, _ failure: ServiceFailure?) {
    let outcome = (failure?.condition ?? .ok).rawValue
    counters.withLock { $0.calls[call, default: [:]][outcome, default: 0] += 1 }
  }
}

extension BridgeMetrics.Counters {
  mutating func take(_ event: BridgeEvent) {
    switch event.event {
    case .dumpOffered: offered += 1
    case .dumpSpooled:
      spooled += 1
      spooledBytes += event.size ?? 0
    case .dumpUploaded:
      uploaded += 1
      uploadedBytes += event.size ?? 0
    case .dumpRefused: refused[event.cause ?? .other, default: 0] += 1
    case .dumpPurged:
      purged += event.count ?? 1
      purgedBytes += event.size ?? 0
    case .dumpEvicted: evicted += event.count ?? 1
    case .dumpExpired: expired += event.count ?? 1
    case .warning: warnings += 1
    case .boardConnected: count(\.connections, 1, event)
    case .console: count(\.consoleLines, event.consoleLines, event)
    case .boardDisconnected, .boardUnavailable, .boardHello, .boardStarting, .leaseGranted,
      .leaseDenied, .leaseKept, .leaseFailed, .crashCounted, .countsUploaded, .countsRefused:
      break
    }
  }

  private mutating func count(
    _ path: WritableKeyPath<Self, [String: Int]>, _ number: Int, _ event: BridgeEvent
  ) {
    guard let board = event.board,
      self[keyPath: path][board] != nil || self[keyPath: path].count < StatusBoard.mostBoards
    else { return }
    self[keyPath: path][board, default: 0] += number
  }
}
