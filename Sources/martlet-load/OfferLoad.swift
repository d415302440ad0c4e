// Offers and lease renewals as fast as they are answered.

import ArgumentParser
import DumpFormat
import Foundation
import MartletTestKit
import ServiceAPI

struct OfferLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "offers",
    abstract: "Offers dumps: most of kinds that the group has enough of, some stored, some new.")

  @Option(help: "Seconds of the load.") var seconds = 4.0
  @Option(help: "Connections.") var clients = 64
  @Option(help: "Devices that offer.") var devices = 1000
  @Option(help: "A folder on the disk that is measured.") var folder: String?

  /// Kinds of which the group has enough.
  private static let kinds = 20

  func run() throws {
    try withFolder(folder) { folder in
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
        return try service.json(
          "POST", DevicePath.offers(device: device.text),
          OfferRequest(offers: [
            OfferRequest.Offer(
              bootCount: UInt32(1 + number / devices), sequence: 2,
              fingerprint: Fingerprint(rawValue: kind).hexDigits, size: 20_480, occurrences: 1,
              consentEpoch: device.sealer?.consentEpoch ?? 0,
              buildId: String(repeating: "ab", count: 20))
          ]))
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
      guard result.statuses.keys.allSatisfy({ $0 == 200 }) else {
        throw LoadFailure("not every offer was answered: \(result.statuses)")
      }
      progress("verdicts: \(verdicts)")
      Figure.report("offers.rate", result.rate().rounded(), "offers/s")
    }
  }
}

struct LeaseLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leases",
    abstract: "Renews leases: each device once, then again and again.",
    discussion: """
      100 million devices that renew a lease of 48 hours when half of it is over renew 100e6 / 86,400 s = \
      1,157 leases a second. fleet.headroom says how many times that one process answers for devices \
      that it has not seen before.
      """)

  /// Renewals a second of 100 million devices, each once in 24 hours.
  static let fleetRate = 100e6 / 86_400

  @Option(help: "Seconds of each part.") var seconds = 4.0
  @Option(help: "Connections.") var clients = 64
  @Option(help: "Devices that renew.") var devices = 20_000
  @Option(help: "A folder on the disk that is measured.") var folder: String?

  func run() throws {
    try withFolder(folder) { folder in
      var service = try ServiceUnderLoad.start(in: folder)
      defer { service.stop() }
      progress("registering \(devices) devices")
      var fleet = try Fleet(service, devices: devices)
      // It knows nobody now but by its databases.
      service.stop()
      service = try ServiceUnderLoad.start(in: folder)
      fleet.service = service
      let cold = try drive(fleet, limit: devices)
      let warm = try drive(fleet, limit: .max)
      Figure.report("leases.rate", warm.rate().rounded(), "leases/s")
      Figure.report("leases.cold.rate", cold.rate().rounded(), "leases/s")
      Figure.report("fleet.headroom", cold.rate() / Self.fleetRate)
    }
  }

  private func drive(_ fleet: Fleet, limit: Int) throws -> LoadResult {
    var generator = SeededGenerator.fromEnvironment()
    let count = min(limit, Int(seconds * 15_000))
    let requests = try (0..<count).map { number in
      try fleet.leaseRequest(
        fleet.devices[number % devices],
        nonce: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
    progress("renewing with \(clients) connections")
    let result = try LoadDriver(
      port: fleet.service.port, connections: clients, rate: nil, seconds: seconds
    ).run { $0 < requests.count ? requests[$0] : nil }
    guard result.statuses.keys.allSatisfy({ $0 == 200 }) else {
      throw LoadFailure("not every lease was signed: \(result.statuses)")
    }
    return result
  }
}
