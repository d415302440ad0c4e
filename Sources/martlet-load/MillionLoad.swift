// A store with a million dumps: the slowest page, and the deletion of a day.

import ArgumentParser
import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI

struct MillionLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "million",
    abstract: "Fills a store with a million dumps, reads pages of it, and deletes a day.",
    discussion: """
      The service makes its tables and is stopped; rows are written as it writes them, spread evenly over \
      29 days, 21 device groups, two catalogs and three regions, half of them in the EU, one in fifty of them of a \
      device that crashes again and again. Contents are small but for those of the day that is \
      deleted. Then the service runs: every page of the lists and counts is asked for over HTTP, \
      first pages, pages deep in the list, narrowed to each catalog, product, group and to devices, and with a login that \
      reaches one catalog.

      Before that PostgreSQL does its housekeeping, which it would do beside the first requests otherwise.

      For the deletion a day more (1/29 of all) is written that is over by the service's clock, and the service \
      is told to delete.

        million.page.ms     the slowest page of a list of dumps, narrowed or not, or of a count
        million.insights.ms the slowest page of a catalog's device insights, from their beginning and deep
        million.delete.s    from the order to delete until the answer that all of the day is gone
                            (million.postgres.* with PostgreSQL)
      """)

  @Option(help: "sqlite, or postgres: a server that is started for the run.")
  var engine = LoadEngine.sqlite
  @Option(help: "Dumps that are stored.") var dumps = 1_000_000
  @Option(help: "Bytes of a content.") var size = 256
  @Option(help: "Bytes of a content of the day that is deleted.") var deletedSize = 20 * 1024
  @Option(help: "How often each page is asked for.") var times = 3
  @OptionGroup var place: PlaceOptions

  func validate() throws {
    guard dumps >= 1000, times > 0, size > 0, deletedSize > 0 else {
      throw ValidationError("--dumps is 1,000 at least, the others are above zero.")
    }
  }

  func run() async throws {
    try await withFolder(place.folder) { folder in
      let storage = try await LoadStorage(engine, in: folder)
      var service = try storage.start()
      defer { service.stop() }
      let fleet = MillionFleet(service: service)
      let groups = try await fleet.make(in: storage)
      service.stop()
      var generator = SeededGenerator.fromEnvironment()
      let store = MillionStore(storage: storage, groups: groups, seed: generator.next())
      let now = Int64(Date().timeIntervalSince1970 * 1000)
      // None is over while this runs.
      let oldest = now - 29 * MillionStore.day + 3 * 3_600_000
      progress("storing \(dumps) dumps")
      try await store.fill(dumps, over: oldest..<now, size: size, firstBoot: 1)
      try await storage.settle()
      service = try storage.start()
      let pages = MillionPages(service: service, groups: groups, oldest: oldest, newest: now)
      let slowest = try pages.slowest(times: times)
      let seconds = try await delete(store, at: service, now: now)
      let name = engine == .sqlite ? "million" : "million.\(engine.rawValue)"
      Figure.report("\(name).page.ms", slowest.page, "ms")
      Figure.report("\(name).insights.ms", slowest.insights, "ms")
      Figure.report("\(name).delete.s", seconds, "s")
    }
  }

  /// Stores a day that is over and has it deleted.
  private func delete(_ store: MillionStore, at service: ServiceUnderLoad, now: Int64) async throws
    -> Double
  {
    let day = (now - 29 * MillionStore.day) / MillionStore.day - 1
    let count = max(1, dumps / 29)
    // The service itself looks once a minute: what it deleted meanwhile is stored again, right behind that.
    for attempt in UInt32(1)...3 {
      progress("storing a day of \(count) dumps that is over")
      try await store.fill(
        count, over: (day * MillionStore.day)..<((day + 1) * MillionStore.day), size: deletedSize,
        firstBoot: 100_000_000 * attempt)
      let before: RetentionReport = try service.ask(service.request("GET", RetentionPath.report))
      let isWhole = before.regions.reduce(0) { $0 + $1.overdueDumps } == count
      progress(isWhole ? "deleting it" : "the service deleted it by itself")
      let start = nanoseconds()
      let after: RetentionReport = try service.ask(service.request("POST", RetentionPath.report))
      let seconds = Double(nanoseconds() - start) / 1e9
      guard after.isKept, after.regions.reduce(0, { $0 + $1.dumps }) == dumps else {
        throw LoadFailure("not all of the day is gone, or more than the day: \(after)")
      }
      if isWhole { return seconds }
    }
    throw LoadFailure("storing a day takes longer than the service leaves it alone")
  }
}
