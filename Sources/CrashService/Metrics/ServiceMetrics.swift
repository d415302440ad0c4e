// What the service counts.

import Foundation
import HTTPTypes
import Metrics
import PrometheusMetrics
import ServiceAPI

/// Counts of one service, over swift-metrics.
///
/// Counting takes no lock across a suspension and makes an instrument once per set of labels.
final class ServiceMetrics: Sendable {
  /// Where a queue of commits counts.
  struct Commits: Sendable {
    fileprivate let items: Recorder
    fileprivate let duration: Metrics.Timer

    /// Takes a transaction that is over.
    func take(items count: Int, duration spent: Duration) {
      items.record(count)
      duration.record(duration: spent)
    }
  }

  private struct Outcome: Hashable {
    var operation: String
    var word: String
  }

  let registry = PrometheusRegistry(families)
  private let requests: Instruments<Outcome, Counter>
  private let durations: Instruments<String, Metrics.Timer>
  private let refusals: Instruments<Outcome, Counter>
  private let dumps: Instruments<Outcome, Counter>
  private let dumpBytes: Instruments<Region, Counter>
  private let offers: Instruments<OfferAnswer.Verdict, Counter>
  private let allowedLeases: Counter
  private let deniedLeases: Counter
  private let databaseFailures: Instruments<String, Counter>
  private let connections: Meter

  init() {
    let registry = registry
    @Sendable func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
      Counter(label: name, dimensions: labels, factory: registry)
    }
    requests = Instruments {
      counter(Name.requests, [("operation", $0.operation), ("status", $0.word)])
    }
    durations = Instruments {
      Timer(label: Name.duration, dimensions: [("operation", $0)], factory: registry)
    }
    refusals = Instruments {
      counter(Name.refusals, [("operation", $0.operation), ("code", $0.word)])
    }
    dumps = Instruments { counter(Name.dumps, [("region", $0.operation), ("outcome", $0.word)]) }
    dumpBytes = Instruments { counter(Name.dumpBytes, [("region", $0.storeName)]) }
    offers = Instruments { counter(Name.offers, [("verdict", $0.rawValue)]) }
    allowedLeases = counter(Name.leases, [("outcome", "allowed")])
    deniedLeases = counter(Name.leases, [("outcome", "denied")])
    databaseFailures = Instruments { counter(Name.databaseFailures, [("code", $0)]) }
    connections = Meter(label: Name.connections, factory: registry)
    connections.set(0)
  }

  // MARK: - Counting

  /// - Parameter code: of the refusal, if it was one.
  func answered(
    _ operation: String, status: HTTPResponse.Status, code: String?, in duration: Duration
  ) {
    requests[Outcome(operation: operation, word: Self.kind(of: status))].increment()
    durations[operation].record(duration: duration)
    if let code { refusals[Outcome(operation: operation, word: code)].increment() }
  }

  private static func kind(of status: HTTPResponse.Status) -> String {
    switch status.kind {
    case .informational: "1xx"
    case .successful: "2xx"
    case .redirection: "3xx"
    case .clientError: "4xx"
    case .serverError: "5xx"
    case .invalid: "invalid"
    }
  }

  func took(_ outcome: StoreOutcome, bytes: Int, in region: Region) {
    let word =
      switch outcome {
      case .stored: "stored"
      case .present: "present"
      case .conflict: "conflict"
      }
    dumps[Outcome(operation: region.storeName, word: word)].increment()
    if case .stored = outcome { dumpBytes[region].increment(by: bytes) }
  }

  func judged(_ verdicts: [OfferAnswer.Verdict]) {
    for verdict in verdicts { offers[verdict].increment() }
  }

  func signedLease(isAllowed: Bool) { (isAllowed ? allowedLeases : deniedLeases).increment() }

  /// - Parameter code: an ``SQLFailure/Code``.
  func databaseFailed(_ code: String) { databaseFailures[code].increment() }

  func connected() { connections.increment() }
  func disconnected() { connections.decrement() }

  /// Deleted for good, in one region.
  func deleted(dumps: Int, keys: Int, in region: Region) {
    let labels = [("region", region.storeName)]
    Counter(label: Name.deletedDumps, dimensions: labels, factory: registry).increment(by: dumps)
    Counter(label: Name.deletedKeys, dimensions: labels, factory: registry).increment(by: keys)
  }

  func lookedThrough(at time: Date) {
    Meter(label: Name.lastDeletion, factory: registry).set(time.timeIntervalSince1970)
  }

  /// - Parameter name: of the queue: the program's own.
  func commits(of name: String) -> Commits {
    let labels = [("queue", name)]
    return Commits(
      items: Recorder(label: Name.commitItems, dimensions: labels, factory: registry),
      duration: Timer(label: Name.commitDuration, dimensions: labels, factory: registry))
  }

  // MARK: - As it is now

  /// - Parameter check: the program's own word.
  func ready(_ check: String, _ isReady: Bool) {
    Meter(label: Name.ready, dimensions: [("check", check)], factory: registry)
      .set(isReady ? 1 : 0)
  }

  func waiting(_ count: Int, in queue: String) {
    Meter(label: Name.commitWaiting, dimensions: [("queue", queue)], factory: registry).set(count)
  }

  /// - Parameter age: of the oldest dump, seconds.
  func oldest(_ age: TimeInterval, in region: Region) {
    Meter(
      label: Name.oldestDump, dimensions: [("region", region.storeName)], factory: registry
    ).set(age)
  }
}
