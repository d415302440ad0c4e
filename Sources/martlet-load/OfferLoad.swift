// Offers as fast as they are answered.

import ArgumentParser
import DumpFormat
import Foundation
import MartletTestKit
import ServiceAPI

struct OfferLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "offers",
    abstract: "Offers dumps: most of kinds that the group has enough of, some stored, some new.",
    discussion: """
      One offer in ten is of a new kind, the others are of 20 kinds of which the group holds ten each.

        offers.rate     offers a second that got their verdict, the median of the rounds
      """)

  @Option(help: "Rounds of the load.") var rounds = 5
  @Option(help: "Seconds of a round.") var seconds = 2.0
  @Option(help: "Connections.") var clients = 384
  @Option(help: "Devices that offer.") var devices = 1000
  @OptionGroup var place: PlaceOptions

  func validate() throws {
    guard rounds > 0, seconds > 0, clients > 0, devices > 0 else {
      throw ValidationError("--rounds, --seconds, --clients and --devices are above zero.")
    }
  }

  /// Kinds of which the group has enough.
  private static let kinds = 20

  func run() async throws {
    try await withFolder(place.folder) { folder in
      let service = try ServiceUnderLoad.start(in: folder)
      defer { service.stop() }
      progress("registering \(devices) devices")
      var fleet = try Fleet(service, devices: devices)
      try fleet.lease()
      // Ten of each kind, the limit of a group.
      try service.perform(
        try fleet.uploads(10 * Self.kinds, size: 64) {
          Fingerprint(rawValue: 0xAB00 + UInt64($0 % Self.kinds))
        })
      var generator = SeededGenerator.fromEnvironment()
      var rates: [Double] = []
      for round in 1...rounds {
        let requests = try offers(fleet, of: round, using: &generator)
        progress("round \(round) of \(rounds): offering with \(clients) connections")
        rates.append(try offer(requests, to: service))
        progress("round \(round): \(Int(rates[round - 1]))/s")
      }
      Figure.report("offers.rate", rates.median.rounded(), "offers/s")
    }
  }

  /// Offers that nobody has made yet.
  private func offers(_ fleet: Fleet, of round: Int, using generator: inout SeededGenerator) throws
    -> [[UInt8]]
  {
    let count = Int(seconds * 30_000)
    return try (0..<count).map { number in
      let isNew = Int.random(in: 0..<10, using: &generator) == 0
      let kind =
        isNew
        ? UInt64.random(in: .min ... .max, using: &generator)
        : 0xAB00 + UInt64.random(in: 0..<UInt64(Self.kinds), using: &generator)
      return try fleet.offerRequest(
        fleet.devices[number % devices], bootCount: UInt32(1 + (round * count + number) / devices),
        fingerprint: Fingerprint(rawValue: kind))
    }
  }

  /// - Returns: verdicts a second.
  private func offer(_ requests: [[UInt8]], to service: ServiceUnderLoad) throws -> Double {
    var answers: [ArraySlice<UInt8>] = []
    let result = try LoadDriver(
      port: service.port, connections: clients, rate: nil, seconds: seconds
    ).run {
      $0 < requests.count ? requests[$0] : nil
    } answered: { _, answer in
      answers.append(answer.body)
    }
    try result.require(200)
    let verdicts = try answers.flatMap {
      try ServiceJSON.decoder().decode(OfferAnswer.self, from: Data($0)).verdicts
    }
    progress("verdicts: \(Dictionary(verdicts.map { ($0.rawValue, 1) }, uniquingKeysWith: +))")
    return result.rate()
  }
}
