// One batch of offers: what is known of each, until all have their verdict.

import SQLStorage
import ServiceAPI

/// Offers that are judged together.
///
/// Most offers are of kinds of which there are enough, and that is seen by looking. What is left is decided in a
/// transaction that no other process decides beside.
struct OfferRound: Sendable {
  /// What one region holds.
  struct Held: Sendable {
    var stored: Set<Promises.Name>
    /// Of those that had no verdict, by their place in the round.
    var numbers: [Int: DumpNumbers]
  }

  private let offers: [OfferedDump]
  /// Milliseconds since 1970.
  private let now: Int64
  private let limits: ServiceLimits
  /// Dumps that were stored a moment ago, taken before anything is read: so one that is stored meanwhile is
  /// counted twice rather than not at all.
  private let settled: LatelyStored.Moment
  /// Those that nothing changes any more.
  private var verdicts: [OfferAnswer.Verdict?]
  private var here: [DumpNumbers]
  private var elsewhere: [DumpNumbers]

  init(
    _ offers: [OfferedDump], now: Int64, limits: ServiceLimits, settled: LatelyStored.Moment
  ) {
    self.offers = offers
    self.now = now
    self.limits = limits
    self.settled = settled
    verdicts = [OfferAnswer.Verdict?](repeating: nil, count: offers.count)
    here = [DumpNumbers](repeating: DumpNumbers(), count: offers.count)
    elsewhere = here
  }

  /// The offers without a verdict, by their places.
  private var open: [Int] { offers.indices.filter { verdicts[$0] == nil } }
  private var skipped: [OfferedDump] {
    offers.indices.filter { verdicts[$0] == .skip }.map { offers[$0] }
  }

  /// Whether there is something to be promised.
  var isOpen: Bool { verdicts.contains(nil) }

  /// Whether all are stored, so that nobody else need be asked.
  var isSettled: Bool { verdicts.allSatisfy { $0 == .stored } }

  // MARK: - Looking

  /// What a region holds, as far as it matters still.
  /// - Parameter isHome: whether it is the region where most of what is offered lies, if any does.
  func look(_ db: any SQLConnection, isHome: Bool) throws -> Held {
    if !isHome, try DumpStore.isEmpty(db) { return Held(stored: [], numbers: [:]) }
    let asked = offers.indices.filter { verdicts[$0] != .stored }.map { offers[$0] }
    let stored = try DumpStore.stored(db, of: asked)
    let places = open.filter { !stored.contains(offers[$0].name) }
    let numbers = try DumpStore.numbers(db, of: places.map { offers[$0] }, limits: limits)
    return Held(
      stored: stored,
      numbers: Dictionary(zip(places, numbers), uniquingKeysWith: { first, _ in first }))
  }

  /// Takes in what a region holds.
  /// - Parameter isHome: whether it is the region that decides, which is asked again then.
  mutating func take(_ held: Held, isHome: Bool) {
    for (place, numbers) in held.numbers {
      if isHome { here[place] = numbers } else { elsewhere[place] = elsewhere[place] + numbers }
      let all = here[place] + elsewhere[place]
      if limits.verdict(held: all, promised: DumpNumbers()) == .skip { verdicts[place] = .skip }
    }
    for place in offers.indices where held.stored.contains(offers[place].name) {
      verdicts[place] = .stored
    }
  }

  // MARK: - Deciding

  /// The verdicts of all, in a transaction of the home region; what they promise and skip is written down.
  func decided(_ db: any SQLConnection) throws -> [OfferAnswer.Verdict] {
    var round = self
    let promised = isOpen ? try round.promise(db) : []
    try db.store([Promises.rows(promised, until: now + Promises.length)])
    try DumpStore.skip(db, round.skipped, now: now)
    return round.verdicts.map { $0 ?? .later }
  }

  /// Gives the open offers their verdicts.
  /// - Returns: those that are promised.
  private mutating func promise(_ db: any SQLConnection) throws -> [OfferedDump] {
    let places = open
    let asked = places.map { offers[$0] }
    var promises = Promises(db: db, now: now, settled: settled)
    // What is promised is read before what is held: a dump that is stored in between counts as both.
    try promises.read(asked, fleet: limits.dumpsPerFleet > 0)
    let stored = try DumpStore.stored(db, of: asked)
    let numbers = try DumpStore.numbers(db, of: asked, limits: limits)
    var promised: [OfferedDump] = []
    for (place, numbers) in zip(places, numbers) {
      let offer = offers[place]
      let verdict =
        stored.contains(offer.name)
        ? .stored
        : limits.verdict(
          held: numbers + elsewhere[place], promised: promises.open(beside: offer))
      if verdict == .send, promises.give(offer) { promised.append(offer) }
      verdicts[place] = verdict
    }
    return promised
  }
}
