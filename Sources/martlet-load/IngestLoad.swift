// Durable ingest against the raw limit of SQLite.

import ArgumentParser
import Foundation
import MartletTestKit

struct IngestLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest",
    abstract:
      "Uploads 20 KiB dumps with 16 clients, and commits the same bytes with nothing around.")

  @Option(help: "Seconds of each part.") var seconds = 4.0
  @Option(help: "Clients, one connection each.") var clients = 16
  @Option(help: "Devices that the dumps are of.") var devices = 64
  @Option(help: "Bytes of memory in a dump.") var size = 20 * 1024
  @Option(help: "A folder on the disk that is measured.") var folder: String?
  @Flag(help: "Leaves out the raw limit.") var skipLimit = false

  func run() throws {
    try withFolder(folder) { folder in
      progress("measuring the raw limit")
      let limit = skipLimit ? 0 : try RawSQLite(seconds: seconds).rate(in: folder)
      let service = try ServiceUnderLoad.start(in: folder)
      defer { service.stop() }
      var fleet = try Fleet(service, devices: devices)
      try fleet.lease()
      let count = Int(seconds * 9000)
      progress("sealing \(count) dumps")
      let uploads = try fleet.uploads(count, size: size)
      progress("uploading with \(clients) clients as fast as the service takes them")
      let full = try LoadDriver(
        port: service.port, connections: clients, rate: nil, seconds: seconds
      )
      .run { $0 < uploads.count ? uploads[$0] : nil }
      try check(full)
      let rate = full.rate()
      let more = try fleet.uploads(Int(rate / 2 * seconds), size: size, first: 1_000_000)
      progress("uploading at half that rate")
      let half = try LoadDriver(
        port: service.port, connections: clients, rate: rate / 2, seconds: seconds * 2
      ).run { $0 < more.count ? more[$0] : nil }
      try check(half)
      Figure.report("ingest.sqlite.rate", rate.rounded(), "dumps/s")
      if !skipLimit {
        Figure.report("limit.sqlite.rate", limit.rounded(), "blobs/s")
        Figure.report("ingest.sqlite.share", rate / limit)
      }
      Figure.report("ingest.p99.ms", half.milliseconds(0.99), "ms")
      Figure.report("ingest.rss", service.residentKilobytes / 1024, "MiB")
    }
  }

  private func check(_ result: LoadResult) throws {
    guard result.statuses.keys.allSatisfy({ $0 == 201 }) else {
      throw LoadFailure("not every dump was taken: \(result.statuses)")
    }
  }
}
