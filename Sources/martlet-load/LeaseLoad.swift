// Lease renewals as fast as they are answered, and at the rate of a fleet.

import ArgumentParser
import Foundation
import MartletTestKit

struct LeaseLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leases",
    abstract: "Renews leases, each with a signature of its own.",
    discussion: """
      100 million devices that renew a lease of 48 hours when half of it is over renew 100e6 / 86,400 s = \
      1,157 leases a second (docs/service.md).

        leases.rate         renewals a second, of devices that the service has seen before
        leases.cold.rate    the same of devices that it has not seen since its start
        fleet.headroom      how many times 1,157 the cold rate is
        fleet.p99.ms        at 1,157 renewals a second in an open loop, of devices not seen since the start:
                            from when a renewal was due until its answer
      """)

  /// Renewals a second of 100 million devices, each once in 24 hours.
  static let fleetRate = 100e6 / 86_400

  @Option(help: "Seconds of each part.") var seconds = 4.0
  @Option(help: "Connections.") var clients = 64
  @Option(help: "Devices that renew.") var devices = 20_000
  @OptionGroup var place: PlaceOptions

  func run() async throws {
    try await withFolder(place.folder) { folder in
      var service = try ServiceUnderLoad.start(in: folder)
      defer { service.stop() }
      progress("registering \(devices) devices")
      var fleet = try Fleet(service, devices: devices)
      let cold = try restarted(folder, &service, &fleet) { try drive($0, limit: devices) }
      let warm = try drive(fleet, limit: .max)
      let steady = try restarted(folder, &service, &fleet) {
        try drive($0, limit: devices, rate: Self.fleetRate)
      }
      Figure.report("leases.rate", warm.rate().rounded(), "leases/s")
      Figure.report("leases.cold.rate", cold.rate().rounded(), "leases/s")
      Figure.report("fleet.headroom", cold.rate() / Self.fleetRate)
      Figure.report("fleet.p99.ms", steady.milliseconds(0.99), "ms")
    }
  }

  /// Runs a load on a service that knows nobody but by its databases.
  private func restarted(
    _ folder: URL, _ service: inout ServiceUnderLoad, _ fleet: inout Fleet,
    _ load: (Fleet) throws -> LoadResult
  ) throws -> LoadResult {
    service.stop()
    service = try ServiceUnderLoad.start(in: folder)
    fleet.service = service
    return try load(fleet)
  }

  private func drive(_ fleet: Fleet, limit: Int, rate: Double? = nil) throws -> LoadResult {
    var generator = SeededGenerator.fromEnvironment()
    let count = min(limit, Int(seconds * (rate ?? 20_000)))
    let requests = try (0..<count).map { number in
      try fleet.leaseRequest(fleet.devices[number % devices], nonce: generator.bytes(16))
    }
    progress("renewing with \(clients) connections")
    let result = try LoadDriver(
      port: fleet.service.port, connections: clients, rate: rate, seconds: seconds
    ).run { $0 < requests.count ? requests[$0] : nil }
    try result.require(200)
    return result
  }
}
