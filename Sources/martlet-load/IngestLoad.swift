// Durable ingest against the raw limit of the engine.

import ArgumentParser
import Foundation
import MartletTestKit

struct IngestLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest",
    abstract:
      "Uploads 20 KiB dumps with 16 clients, and commits the same bytes with nothing around.",
    discussion: """
      The raw limit and the service take turns, on the same disk and the same server, so that whatever else \
      the machine does hits both; the figures are the medians of the rounds.

      The raw limit of SQLite is a loop that commits 20 KiB blobs: 16 producers, each of which waits until its \
      blob is on disk, batches of up to 32, WAL with synchronous=FULL. That of PostgreSQL is a libpq loop: \
      16 producers with a connection each, a prepared insert and a commit for each blob, fsync on.

        ingest.<engine>.rate    dumps a second that were acknowledged after fsync
        limit.<engine>.rate     blobs a second
        ingest.<engine>.share   the median of each round's ratio
        ingest.p99.ms           at half that rate, in an open loop: from when a dump was due until its answer
                                (ingest.postgres.p99.ms with PostgreSQL)
      """)

  @Option(help: "sqlite, or postgres: a server that is started for the run.")
  var engine = LoadEngine.sqlite
  @Option(help: "Rounds of raw limit and service.") var rounds = 5
  @Option(help: "Seconds of each part of a round.") var seconds = 2.0
  @Option(help: "Seconds at half the rate; in few of them one stall of the disk would decide.")
  var halfSeconds = 24.0
  @Option(help: "Clients, one connection each; and producers of the raw limit.") var clients = 16
  @OptionGroup var dumps: DumpOptions
  @OptionGroup var place: PlaceOptions
  @Flag(help: "Leaves out the raw limit.") var skipLimit = false

  func validate() throws {
    guard rounds > 0, seconds > 0, clients > 0 else {
      throw ValidationError("--rounds, --seconds and --clients are above zero.")
    }
  }

  func run() async throws {
    try await withFolder(place.folder) { folder in
      let storage = try await LoadStorage(engine, in: folder)
      let service = try storage.start()
      defer { service.stop() }
      let fleet = try dumps.fleet(service)
      var limits: [Double] = []
      var rates: [Double] = []
      var first: UInt32 = 1
      for round in 1...rounds {
        progress("round \(round) of \(rounds)")
        if !skipLimit {
          limits.append(try await storage.rawLimit(seconds: seconds, producers: clients))
        }
        let result = try upload(fleet, first: &first, rate: nil, seconds: seconds)
        rates.append(result.rate())
        progress(
          "round \(round): service \(Int(rates[round - 1]))/s"
            + (skipLimit ? "" : ", raw \(Int(limits[round - 1]))/s"))
      }
      let rate = rates.median
      progress("uploading at half that rate")
      let half = try upload(fleet, first: &first, rate: rate / 2, seconds: halfSeconds)
      let name = engine.rawValue
      Figure.report("ingest.\(name).rate", rate.rounded(), "dumps/s")
      if !skipLimit {
        Figure.report("limit.\(name).rate", limits.median.rounded(), "blobs/s")
        Figure.report("ingest.\(name).share", zip(rates, limits).map { $0 / $1 }.median)
      }
      let p99 = engine == .sqlite ? "ingest.p99.ms" : "ingest.\(name).p99.ms"
      Figure.report(p99, half.milliseconds(0.99), "ms")
    }
  }

  private func upload(_ fleet: Fleet, first: inout UInt32, rate: Double?, seconds: Double) throws
    -> LoadResult
  {
    let count = Int(seconds * (rate ?? dumps.prepared)) + 1
    let uploads = try dumps.uploads(count, of: fleet, first: &first)
    let result = try LoadDriver(
      port: fleet.service.port, connections: clients, rate: rate, seconds: seconds
    ).run { $0 < uploads.count ? uploads[$0] : nil }
    try result.require(201)
    return result
  }
}

/// The dumps of a load.
struct DumpOptions: ParsableArguments {
  @Option(help: "Devices that the dumps are of.") var devices = 64
  @Option(help: "Bytes of memory in a dump.") var size = 20 * 1024
  @Option(
    help: ArgumentHelp(
      "Dumps that are sealed beforehand for each second as fast as the service goes; when it is faster, that "
        + "part ends early."))
  var prepared = 8000.0

  func validate() throws {
    guard devices > 0, size >= 8, prepared >= 1 else {
      throw ValidationError("--devices, --size and --prepared are above zero (--size from 8 on).")
    }
  }

  /// Devices that have a lease.
  func fleet(_ service: ServiceUnderLoad) throws -> Fleet {
    var fleet = try Fleet(service, devices: devices)
    try fleet.lease()
    return fleet
  }

  /// Seals dumps that nobody has sent yet.
  /// - Parameter first: the boot count of the next; those behind them are used from here on.
  func uploads(_ count: Int, of fleet: Fleet, first: inout UInt32) throws -> [[UInt8]] {
    progress("sealing \(count) dumps")
    defer { first += UInt32(count / devices) + 1 }
    return try fleet.uploads(count, size: size, first: first)
  }
}

/// Where a load writes.
struct PlaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A folder on the disk that is measured; PostgreSQL's files go to $TMPDIR. (default: $TMPDIR)"),
    completion: .directory)
  var folder: String?
}
