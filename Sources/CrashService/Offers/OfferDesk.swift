// Answers offers: what is there, what is enough, and who of many is to send.

import Foundation
import SQLStorage
import ServiceAPI

/// The desk of one region. All offers of a device group come to the same desk, so that each wanted dump is
/// promised to one device at a time; when that one fails, the next who offers gets it.
///
/// Promises lie in the region's database: several processes give the same one once, and a restart none
/// twice.
final class OfferDesk: Sendable {
  private struct Request: Sendable {
    var offers: [OfferedDump]
    /// Milliseconds since 1970.
    var now: Int64
  }

  private let desk: GroupCommit<Request, [OfferAnswer.Verdict]>
  private let lately: LatelyStored
  /// What metrics call the queue of offers.
  let queue: String

  /// - Parameters:
  ///   - home: the region whose database has the promises.
  ///   - others: the other regions; numbers alone are read of them.
  ///   - lately: what was stored a moment ago, in whatever region.
  init(
    home: DumpStore, others: [DumpStore], limits: ServiceLimits, lately: LatelyStored,
    waiting: GroupCommitLimits = GroupCommitLimits(mostTogether: 128, mostWaiting: 2048, lanes: 2),
    metrics: ServiceMetrics? = nil
  ) {
    self.lately = lately
    queue = "offers-\(home.region.storeName)"
    desk = GroupCommit(waiting, metrics: metrics?.commits(of: queue)) { requests in
      try await Self.judge(
        requests, home: home, others: others, limits: limits, settled: lately.now)
    }
  }

  var waiting: Int { desk.waiting }

  /// Judges the offers of one device, whose owner consents. What it promises and what it skips is on
  /// disk when the call returns.
  /// - Parameter now: milliseconds since 1970.
  func judge(_ offers: [OfferedDump], now: Int64) async throws -> [OfferAnswer.Verdict] {
    guard !offers.isEmpty else { return [] }
    return try await desk.submit(Request(offers: offers, now: now))
  }

  private static func judge(
    _ requests: [Request], home: DumpStore, others: [DumpStore], limits: ServiceLimits,
    settled: LatelyStored.Moment
  ) async throws -> [[OfferAnswer.Verdict]] {
    var round = OfferRound(
      requests.flatMap(\.offers), now: requests.map(\.now).max() ?? 0, limits: limits,
      settled: settled)
    for store in [home] + others where !round.isSettled {
      let held = try await store.database.look { [round] in
        try round.look($0, isHome: store === home)
      }
      round.take(held, isHome: store === home)
    }
    // Whoever promises nothing waits for nobody.
    var verdicts = try await home.database.write(lock: round.isOpen ? "offers" : nil) { [round] in
      try round.decided($0)
    }[...]
    return requests.map { request in
      defer { verdicts = verdicts.dropFirst(request.offers.count) }
      return Array(verdicts.prefix(request.offers.count))
    }
  }

}

extension ServiceLimits {
  /// What is answered to an offer of a dump that is not stored.
  /// - Parameters:
  ///   - held: dumps of its kind that are stored.
  ///   - promised: other dumps of its kind that are on their way.
  func verdict(held: DumpNumbers, promised: DumpNumbers) -> OfferAnswer.Verdict {
    let counted = [
      (held.device, promised.device, Int(dumpsPerDevice)),
      (held.group, promised.group, dumpsPerGroup),
      (held.fleet, promised.fleet, dumpsPerFleet),
    ].filter { $0.2 > 0 }
    if counted.contains(where: { held, _, limit in held >= limit }) { return .skip }
    if counted.contains(where: { held, promised, limit in held + promised >= limit }) {
      return .later
    }
    return .send
  }
}
