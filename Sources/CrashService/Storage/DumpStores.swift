// The stores of all regions, and how a dump finds the one that is its own.

import DumpFormat
import Foundation
import ServiceAPI

/// One store per region.
struct DumpStores: Sendable {
  let eu: any DumpStore
  let usEast: any DumpStore
  let usWest: any DumpStore

  var all: [any DumpStore] { [eu, usEast, usWest] }

  subscript(region: Region) -> any DumpStore {
    switch region {
    case .eu: eu
    case .usEast: usEast
    case .usWest: usWest
    }
  }

  /// The store that a dump's id names.
  func holding(id: String) -> (any DumpStore)? {
    all.first { id.hasPrefix($0.region.storeName + "-") }
  }

  /// Stores a dump in `region`, once. A device whose group changed its boundary between two tries
  /// may have it in another region already: there it stays, and no content is compared, only its
  /// digest.
  func insert(_ dump: IncomingDump, in region: Region) async throws -> StoreOutcome {
    for store in all where store.region != region {
      if let stored = try await store.find(dump.prologue.header.key, of: dump.device) {
        return stored.digest == dump.digest ? .present(id: stored.id) : .conflict
      }
    }
    return try await self[region].insert(dump)
  }

  /// The dump of that key, whichever region holds it.
  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredDump? {
    for store in all {
      if let stored = try await store.find(key, of: device) { return stored }
    }
    return nil
  }

  /// How many dumps of each fingerprint a device group has, in all regions: numbers alone are told.
  func stored(inGroup groupID: String, since: Date, buildID: String? = nil) async throws
    -> [String: Int]
  {
    var counts: [String: Int] = [:]
    for store in all {
      let found = try await store.stored(inGroup: groupID, since: since, buildID: buildID)
      counts.merge(found, uniquingKeysWith: +)
    }
    return counts
  }

  /// How many dumps of a device were not taken, by fingerprint.
  func skipped(of device: DeviceID) async throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for store in all {
      counts.merge(try await store.skipped(of: device), uniquingKeysWith: +)
    }
    return counts
  }

  /// A page of all regions' dumps, newest first, and where the next page begins.
  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int) async throws
    -> (page: [DumpSummary], next: DumpCursor?)
  {
    var found: [(DumpCursor, DumpSummary)] = []
    for store in all {
      found += try await store.list(filter, after: cursor, limit: limit + 1)
    }
    found.sort { ($0.0.receivedAt, $0.0.id) > ($1.0.receivedAt, $1.0.id) }
    let page = found.prefix(limit)
    return (try await counted(page.map(\.1)), found.count > limit ? page.last?.0 : nil)
  }

  /// A dump's summary, from the store that its id names.
  func summary(_ id: String) async throws -> DumpSummary? {
    guard let summary = try await holding(id: id)?.summary(id) else { return nil }
    return try await counted([summary]).first
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
