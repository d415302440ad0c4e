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
        requests, home: home, others: others, limits: limits, settled: lately.names)
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

  /// - Parameter settled: taken before anything is read, so that a dump which is stored meanwhile is
  ///   counted twice rather than not at all.
  private static func judge(
    _ requests: [Request], home: DumpStore, others: [DumpStore], limits: ServiceLimits,
    settled: Set<Promises.Name>
  ) async throws -> [[OfferAnswer.Verdict]] {
    let offers = requests.flatMap(\.offers)
    let now = requests.map(\.now).max() ?? 0
    let fleet = limits.dumpsPerFleet > 0
    var elsewhere = [HeldDumps](repeating: HeldDumps(), count: offers.count)
    for store in others {
      let held = try await store.held(of: offers, limits: limits)
      elsewhere = zip(elsewhere, held).map(+)
    }
    let verdicts = try await home.database.write(lock: "offers") { [elsewhere] db in
      var promises = Promises(db: db, now: now, settled: settled)
      // What is promised is read before what is held: a dump that is stored in between counts as both.
      try promises.read(offers, fleet: fleet)
      let held = zip(try DumpStore.held(db, of: offers, limits: limits), elsewhere).map(+)
      var statements: [SQLText] = []
      var skipped: [OfferedDump] = []
      let verdicts = zip(offers, held).map { offer, held in
        let verdict =
          held.isStored
          ? .stored
          : limits.verdict(
            held: held.numbers, promised: promises.open(beside: offer))
        switch verdict {
        case .send: statements.append(promises.give(offer, until: now + Promises.length))
        case .skip: skipped.append(offer)
        default: break
        }
        return verdict
      }
      statements += skip(skipped, now: now)
      _ = try db.runAll(statements)
      return verdicts
    }
    var rest = verdicts[...]
    return requests.map { request in
      defer { rest = rest.dropFirst(request.offers.count) }
      return Array(rest.prefix(request.offers.count))
    }
  }

  private static func skip(_ offers: [OfferedDump], now: Int64) -> [SQLText] {
    let rows = offers.map { offer in
      SQLText(
        """
        (\(offer.placement.device.text), \(offer.key.bootCount), \(offer.key.sequence),
          \(offer.fingerprint), \(offer.placement.groupID), \(now))
        """)
    }
    return rows.inStatements.map { rows in
      """
      INSERT INTO skippedDumps (deviceId, bootCount, sequence, fingerprint, groupId, skippedAt)
      VALUES \(rows) ON CONFLICT DO NOTHING
      """
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
