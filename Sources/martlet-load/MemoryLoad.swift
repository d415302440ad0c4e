// Memory of the service under load, over minutes.

import ArgumentParser
import Foundation
import MartletTestKit
import Synchronization

struct MemoryLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Loads the service for minutes with all that a fleet does, and watches its memory.",
    discussion: """
      Dumps at a steady rate, and beside them offers and lease renewals as fast as they are answered, so that \
      the service is never idle. Its resident memory is read once a second from /proc. Dumps take 20 KiB of \
      disk each: at 400 a second 10 minutes write 5 GB.

        service.rss             the most it ever had in use (VmHWM)
        service.rss.growth      how much the second half's median is above the first half's, percent
      """)

  @Option(help: "Minutes of the load.") var minutes = 10.0
  @Option(help: "sqlite, or postgres: a server that is started for the run.")
  var engine = LoadEngine.sqlite
  @Option(help: "Dumps a second.") var rate = 400.0
  @Option(help: "Devices.") var devices = 5000
  @Option(help: "Bytes of memory in a dump.") var size = 20 * 1024
  @Option(help: "Connections of dumps, of offers and of renewals, each.") var clients = 16
  @OptionGroup var place: PlaceOptions

  func validate() throws {
    guard minutes > 0, rate > 0, devices > 0, clients > 0, size >= 8 else {
      throw ValidationError("All numbers are above zero (--size from 8 on).")
    }
  }

  func run() async throws {
    try await withFolder(place.folder) { folder in
      let storage = try await LoadStorage(engine, in: folder)
      let service = try storage.start()
      defer { service.stop() }
      progress("registering \(devices) devices")
      var fleet = try Fleet(service, devices: devices)
      try fleet.lease()
      let samples = try await watch(fleet)
      let name = engine == .sqlite ? "service.rss" : "service.postgres.rss"
      Figure.report(name, service.memory.mostKilobytes / 1024, "MiB")
      Figure.report("\(name).growth", max(0, 100 * samples.growth), "%")
    }
  }

  /// Runs the load and reads the memory beside it, kilobytes.
  private func watch(_ fleet: Fleet) async throws -> [Double] {
    let seconds = minutes * 60
    let dumps = Thread.result {
      // Sealed one by one: what is sent in all does not fit into memory.
      try driver(fleet, rate: rate, seconds).run {
        try? fleet.upload(number: $0, size: size)
      }
    }
    let offers = Thread.result {
      try driver(fleet, rate: nil, seconds).run {
        try? fleet.offerRequest(
          fleet.devices[$0 % devices], bootCount: UInt32(2 + $0 / devices),
          fingerprint: .init(rawValue: UInt64($0 % 1000)))
      }
    }
    let leases = Thread.result {
      try driver(fleet, rate: nil, seconds).run {
        try? fleet.leaseRequest(
          fleet.devices[$0 % devices], nonce: Array(repeating: UInt8($0 % 256), count: 16))
      }
    }
    var samples: [Double] = []
    let end = nanoseconds() + UInt64(seconds * 1e9)
    while nanoseconds() < end {
      try await Task.sleep(for: .seconds(1))
      samples.append(Double(fleet.service.memory.kilobytes))
      if samples.count % 30 == 0 {
        progress("\(samples.count) s: \(Int(samples[samples.count - 1]) / 1024) MiB")
      }
    }
    let uploaded = try await dumps.value
    let offered = try await offers.value
    let renewed = try await leases.value
    try uploaded.require(200, 201)
    try offered.require(200)
    try renewed.require(200)
    progress(
      "answered \(uploaded.answers) dumps, \(offered.answers) offers, \(renewed.answers) renewals")
    return samples
  }

  private func driver(_ fleet: Fleet, rate: Double?, _ seconds: Double) -> LoadDriver {
    LoadDriver(port: fleet.service.port, connections: clients, rate: rate, seconds: seconds)
  }
}

extension Thread {
  /// Runs blocking work on a thread of its own, beginning now.
  fileprivate static func result<Value: Sendable>(
    _ work: @escaping @Sendable () throws -> Value
  ) -> Task<Value, any Error> {
    Task { try await onThread(work) }
  }
}
