// Offers as fast as they are answered.

import ArgumentParser
import DumpFormat
import Foundation
import MartletTestKit

struct OfferLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "offers",
    abstract: "Offers dumps: most of kinds that the group has enough of, some stored, some new.",
    discussion: """
      One offer in ten is of a new kind, the others are of 20 kinds of which the group holds ten each.

        offers.rate     offers a second that got their verdict
      """)

  @Option(help: "Seconds of the load.") var seconds = 4.0
  @Option(help: "Connections.") var clients = 128
  @Option(help: "Devices that offer.") var devices = 1000
  @OptionGroup var place: PlaceOptions

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
      let requests = try (0..<Int(seconds * 20_000)).map { number in
        let device = fleet.devices[number % devices]
        let isNew = Int.random(in: 0..<10, using: &generator) == 0
        let kind =
          isNew
          ? UInt64.random(in: .min ... .max, using: &generator)
          : 0xAB00 + UInt64.random(in: 0..<UInt64(Self.kinds), using: &generator)
        return try fleet.offerRequest(
          device, bootCount: UInt32(1 + number / devices),
          fingerprint: Fingerprint(rawValue: kind))
      }
      progress("offering with \(clients) connections")
      var verdicts: [String: Int] = [:]
      let result = try LoadDriver(
        port: service.port, connections: clients, rate: nil, seconds: seconds
      ).run {
        $0 < requests.count ? requests[$0] : nil
      } answered: { _, answer in
        let body = String(decoding: answer.body, as: UTF8.self)
        for word in ["send", "skip", "later", "stored"] where body.contains(word) {
          verdicts[word, default: 0] += 1
        }
      }
      try result.require(200)
      progress("verdicts: \(verdicts)")
      Figure.report("offers.rate", result.rate().rounded(), "offers/s")
    }
  }
}
