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
  /// may have it in another region already: there it stays, and no content is compared, only the
  /// prologue with its checksums.
  func insert(_ dump: IncomingDump, in region: Region) async throws -> StoreOutcome {
    for store in all where store.region != region {
      if let stored = try await store.find(dump.prologue.header.key, of: dump.device) {
        return stored.prologue == Array(dump.content.prefix(DumpPrologue.size))
          ? .present(id: stored.id) : .conflict
      }
    }
    return try await self[region].insert(dump)
  }

  /// Whether any region holds a dump of that key.
  func isStored(_ key: DumpKey, of device: DeviceID) async throws -> Bool {
    for store in all {
      if try await store.find(key, of: device) != nil { return true }
    }
    return false
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
    return (page.map(\.1), found.count > limit ? page.last?.0 : nil)
  }
}
