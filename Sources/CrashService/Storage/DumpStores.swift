// The stores of all regions, and how a dump finds the one that is its own.

import DumpFormat
import Foundation
import HTTPTypes
import ServiceAPI

/// One store per region.
struct DumpStores: Sendable {
  let eu: DumpStore
  let usEast: DumpStore
  let usWest: DumpStore
  private let lately = LatelyStored()
  private let strays = Strays()
  private let known = KnownKinds()
  private let euDesk: OfferDesk
  private let usDesk: OfferDesk
  private let metrics: ServiceMetrics?

  init(
    eu: DumpStore, usEast: DumpStore, usWest: DumpStore, limits: ServiceLimits,
    metrics: ServiceMetrics? = nil
  ) {
    self.eu = eu
    self.usEast = usEast
    self.usWest = usWest
    self.metrics = metrics
    euDesk = OfferDesk(
      home: eu, others: [usEast, usWest], limits: limits, lately: lately, metrics: metrics)
    usDesk = OfferDesk(
      home: usEast, others: [eu, usWest], limits: limits, lately: lately, metrics: metrics)
  }

  var all: [DumpStore] { [eu, usEast, usWest] }

  /// How many items wait in each queue.
  var waiting: [(queue: String, count: Int)] {
    all.map { (DumpStore.queue(of: $0.region), $0.waiting) }
      + [euDesk, usDesk].map { ($0.queue, $0.waiting) }
  }

  subscript(region: Region) -> DumpStore {
    switch region {
    case .eu: eu
    case .usEast: usEast
    case .usWest: usWest
    }
  }

  /// The store that a dump's id names.
  func holding(id: String) -> DumpStore? {
    all.first { id.hasPrefix($0.region.storeName + "-") }
  }

  /// Where all offers of a device group are judged: in the EU when its boundary is, in East US else.
  func desk(of boundary: RegionalDataBoundary) -> OfferDesk {
    boundary == .eu ? euDesk : usDesk
  }

  /// Stores a dump in the region of its placement, once. A device whose group changed its boundary
  /// between two tries may have it in another region already: there it stays, and no content is
  /// compared, only its digest.
  func insert(_ dump: IncomingDump) async throws -> StoreOutcome {
    let placement = dump.placement
    let key = dump.prologue.header.key
    let others = try await strays.stores(
      besides: placement, epoch: dump.prologue.header.consentEpoch, of: all)
    for store in others {
      if let stored = try await store.find(key, of: placement.device) {
        let isSame = stored.digest == dump.digest
        return counted(isSame ? .present(id: stored.id) : .conflict, of: dump, in: store.region)
      }
    }
    let outcome = try await self[placement.region].insert(dump)
    known.forget(group: placement.groupID)
    lately.insert(
      Promises.Name(device: placement.device.text, key: key), now: milliseconds(dump.receivedAt))
    return counted(outcome, of: dump, in: placement.region)
  }

  private func counted(_ outcome: StoreOutcome, of dump: IncomingDump, in region: Region)
    -> StoreOutcome
  {
    metrics?.took(outcome, bytes: dump.content.count, in: region)
    return outcome
  }

  /// Dumps were deleted from any store.
  func noteDeletion() { known.forgetAll() }

  /// The dump of that key, whichever region holds it.
  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredDump? {
    for store in all {
      if let stored = try await store.find(key, of: device) { return stored }
    }
    return nil
  }

  /// How many dumps of each fingerprint of an image a device group has, in all regions: numbers
  /// alone are told.
  func stored(inGroup groupID: String, buildID: String) async throws -> [String: Int] {
    try await known.numbers(ofGroup: groupID, buildID: buildID) {
      var counts: [String: Int] = [:]
      for store in all {
        counts.merge(
          try await store.stored(inGroup: groupID, buildID: buildID), uniquingKeysWith: +)
      }
      return counts
    }
  }

  /// How many dumps of a device were not taken in the last 29 days, by fingerprint.
  func skipped(of device: DeviceID, now: Date) async throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for store in all {
      counts.merge(try await store.skipped(of: device, now: now), uniquingKeysWith: +)
    }
    return counts
  }

  /// A page of all regions' dumps, newest first, and where the next page begins.
  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int, now: Date) async throws
    -> (page: [DumpSummary], next: DumpCursor?)
  {
    var found: [(store: DumpStore, row: DumpRow)] = []
    for store in all {
      found += try await store.list(filter, after: cursor, limit: limit + 1, now: now)
        .map { (store, $0) }
    }
    found.sort { ($0.row.receivedAt, $0.row.id) > ($1.row.receivedAt, $1.row.id) }
    let page = found.prefix(limit)
    var summaries: [String: DumpSummary] = [:]
    for store in all {
      let rows = page.filter { $0.store === store }.map(\.row)
      for summary in try await store.summaries(rows) { summaries[summary.id] = summary }
    }
    let last = page.last.map { DumpCursor(receivedAt: $0.row.receivedAt, id: $0.row.id) }
    return (
      try await counted(page.compactMap { summaries[$0.row.id] }), found.count > limit ? last : nil
    )
  }

  /// How many dumps there are in all regions.
  func count(_ filter: DumpFilter) async throws -> Int {
    var sum = 0
    for store in all { sum += try await store.count(filter) }
    return sum
  }

  /// A dump's summary, from the store that its id names.
  /// - Parameter catalogs: ids of catalogs; `nil` when the dump of another is not there.
  func summary(_ id: String, in catalogs: Set<String>? = nil, now: Date) async throws
    -> DumpSummary?
  {
    guard let summary = try await holding(id: id)?.summary(id, in: catalogs, now: now) else {
      return nil
    }
    return try await counted([summary]).first
  }

  /// A dump as it opened, from the store that its id names.
  func content(_ id: String, now: Date) async throws -> Data? {
    try await holding(id: id)?.content(id, now: now)
  }

  /// What is known of each fingerprint of a device.
  func totals(of device: DeviceID) async throws -> [CrashName: CrashTotal] {
    var counts: [CrashCount] = []
    for store in all { counts += try await store.counts(of: device) }
    return totals(counts)
  }

  /// The summaries with their totals.
  private func counted(_ summaries: [DumpSummary]) async throws -> [DumpSummary] {
    let names = Set(summaries.map { CrashName(device: $0.deviceId, fingerprint: $0.fingerprint) })
    guard !names.isEmpty else { return summaries }
    var counts: [CrashCount] = []
    for store in all { counts += try await store.counts(of: names) }
    let totals = totals(counts)
    return summaries.map { summary in
      var summary = summary
      summary.crashes =
        totals[CrashName(device: summary.deviceId, fingerprint: summary.fingerprint)]
      return summary
    }
  }

  private func totals(_ counts: [CrashCount]) -> [CrashName: CrashTotal] {
    Dictionary(grouping: counts, by: \.name).compactMapValues(CrashTotal.init)
  }
}

extension DumpStores {
  /// Which dumps of a group lie outside of its boundary, in words; `nil` when none do.
  ///
  /// A dump is written in one region and never moved: what was stored before a boundary was changed ends there.
  func notice(of group: DeviceGroupRecord) async throws -> String? {
    var filter = DumpFilter()
    filter.groups = [group.id]
    let within = Region.all(within: group.properties.regionalDataBoundary)
    var elsewhere: [String] = []
    for store in all where !within.contains(store.region) {
      let count = try await store.count(filter)
      if count > 0 { elsewhere.append("\(count) in \(store.region.rawValue)") }
    }
    guard !elsewhere.isEmpty else { return nil }
    return
      "the boundary applies from the next dump on; dumps that were stored before stay where they are "
      + "(\(elsewhere.joined(separator: ", "))) until their \(RetentionPeriod.mostDays) days are over"
  }
}

extension HTTPField.Name {
  /// Something that the caller should know of what was done.
  static let martletNotice = Self("Martlet-Notice")
}
