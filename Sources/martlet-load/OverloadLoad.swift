// Twice what the service can take: what it refuses, and whether it keeps what it accepted.

import ArgumentParser
import DumpFormat
import Foundation
import MartletTestKit
import ServiceAPI

struct OverloadLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overload",
    abstract: "Offers twice the dumps that the service takes, and looks for all that it accepted.",
    discussion: """
      First as many dumps as the service takes with 16 clients; then twice that rate in an open loop over many \
      connections, whether answers come or not; then as in the beginning. At the end the service is killed \
      (-9) and started again, and every dump that it had acknowledged is fetched.

        overload.refusal.ms     the slowest refusal (429 or 503 with Retry-After), from when the dump began
                                to be sent
        overload.unstored       dumps that were acknowledged and cannot be fetched whole, or refused
                                without Retry-After, or answered with anything else
        overload.offered.share  dumps a second that were sent, of the rate in the beginning
        overload.accepted.share dumps a second that were taken meanwhile, of the rate in the beginning
        overload.recovery.share the rate afterwards, of the rate in the beginning
      """)

  @Option(help: "sqlite, or postgres: a server that is started for the run.")
  var engine = LoadEngine.sqlite
  @Option(help: "Seconds of the overload.") var seconds = 5.0
  @Option(help: "Seconds before and behind it.") var calmSeconds = 2.0
  @Option(help: "Clients before and behind it.") var clients = 16
  @Option(help: "Connections of the overload.") var connections = 512
  @Option(help: "How many times the rate that the service takes.") var times = 2.0
  @OptionGroup var dumps: DumpOptions
  @OptionGroup var place: PlaceOptions

  /// What came of the overload.
  private struct Outcome {
    /// The ids that were acknowledged, with the keys of their dumps.
    var accepted: [(id: String, key: DumpKey)] = []
    /// Answers that are none of what the service promises.
    var wrong = 0
  }

  func run() async throws {
    try await withFolder(place.folder) { folder in
      let storage = try await LoadStorage(engine, in: folder)
      var service = try storage.start()
      defer { service.stop() }
      let fleet = try dumps.fleet(service)
      var first: UInt32 = 1
      let before = try calm(fleet, first: &first)
      progress("the service takes \(Int(before.rate()))/s")
      var outcome = Outcome()
      let result = try overload(fleet, before.rate() * times, first: &first, &outcome)
      progress("answers to the overload: \(result.statuses)")
      let after = try calm(fleet, first: &first)
      progress("killing the service")
      service.process.kill()
      service = try storage.start()
      progress("fetching \(outcome.accepted.count) dumps that were acknowledged")
      let lost = try missing(outcome, at: service)
      Figure.report(
        "overload.refusal.ms", result.answerMilliseconds(1, 429...503), "ms")
      Figure.report("overload.unstored", lost + outcome.wrong)
      Figure.report("overload.offered.share", result.offered / before.rate())
      Figure.report("overload.accepted.share", result.rate() / before.rate())
      Figure.report("overload.recovery.share", after.rate() / before.rate())
    }
  }

  /// As many dumps as the service takes. None is refused.
  private func calm(_ fleet: Fleet, first: inout UInt32) throws -> LoadResult {
    let uploads = try dumps.uploads(Int(calmSeconds * dumps.prepared), of: fleet, first: &first)
    progress("uploading with \(clients) clients as fast as the service takes them")
    let result = try LoadDriver(
      port: fleet.service.port, connections: clients, rate: nil, seconds: calmSeconds
    ).run { $0 < uploads.count ? uploads[$0] : nil }
    try result.require(201)
    return result
  }

  private func overload(
    _ fleet: Fleet, _ rate: Double, first: inout UInt32, _ outcome: inout Outcome
  ) throws -> LoadResult {
    let start = first
    let uploads = try dumps.uploads(Int(rate * seconds) + 1, of: fleet, first: &first)
    progress("offering \(Int(rate)) dumps a second over \(connections) connections")
    return try LoadDriver(
      port: fleet.service.port, connections: connections, rate: rate, seconds: seconds,
      toleratesBreaks: true
    ).run {
      $0 < uploads.count ? uploads[$0] : nil
    } answered: { number, answer in
      switch answer.status {
      case 200...299:
        let receipt = try? ServiceJSON.decoder().decode(DumpReceipt.self, from: Data(answer.body))
        let key = DumpKey(bootCount: start + UInt32(number / dumps.devices), sequence: 1)
        // An answer without an id acknowledges what nobody can fetch.
        outcome.accepted.append((receipt?.id ?? "", key))
      case 429, 503:
        if answer.header("retry-after").flatMap({ Int($0) }) == nil { outcome.wrong += 1 }
      default:
        outcome.wrong += 1
      }
    }
  }

  /// How many of the accepted dumps are not there, or not whole.
  private func missing(_ outcome: Outcome, at service: ServiceUnderLoad) throws -> Int {
    var found = 0
    let accepted = outcome.accepted
    _ = try LoadDriver(port: service.port, connections: 4, rate: nil, seconds: 3600).run {
      $0 < accepted.count ? service.request("GET", DumpPath.content(accepted[$0].id)) : nil
    } answered: { number, answer in
      guard answer.status == 200,
        let prologue = try? answer.body.withUnsafeBytes({ try DumpPrologue(verifyingDump: $0) }),
        prologue.header.key == accepted[number].key
      else { return }
      found += 1
    }
    return accepted.count - found
  }
}
