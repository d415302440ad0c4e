// Crash counts: from bridges, and for operators.

import Hummingbird
import ServiceAPI

struct CountRoutes: EndpointGroup {
  /// The most counts in one request.
  static let mostCounts = 256

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .post, DevicePath.counts(device: "{device}"), id: "Bridges_Counts",
        "Stores crash counts of a device.", tag: .bridges,
        access: .init(.deliverDumps, in: .device), body: .json(CountRequest.self),
        answers: [.ok(CountAnswer.self)]
      ) { request, context in try await ingest(request, context) },
      Endpoint(
        .get, DeviceCrashesPath.crashes(device: "{device}"), id: "Devices_Crashes",
        "Tells how often a device crashed.", tag: .devices,
        access: .init(.readResources, in: .device), answers: [.ok(DeviceCrashes.self)]
      ) { _, context in try jsonResponse(try await crashes(of: context.device())) },
    ]
  }

  private func ingest(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let device = try context.device()
    let counts = try checked(try await request.json(CountRequest.self).counts)
    let time = service.now()
    let dumps = service.dumps
    try await service.management.holdingStanding(of: device) { standing in
      let placement = try standing.consenting()
      try await dumps.keep(counts, of: placement, at: time)
    }
    context.logger.info(
      "crashes counted", metadata: ["device": "\(device.text)", "counts": "\(counts.count)"])
    return try jsonResponse(CountAnswer(stored: counts.count))
  }

  /// The counts with their fingerprints in lower case.
  private func checked(_ counts: [CountRequest.Count]) throws -> [CountRequest.Count] {
    guard counts.count <= Self.mostCounts else {
      throw ServiceFailure.invalid(
        "At most \(Self.mostCounts) counts go into one request, not \(counts.count).",
        target: "counts")
    }
    return try counts.enumerated().map { index, count in
      guard count.fingerprint.utf8.count == 16, UInt64(count.fingerprint, radix: 16) != nil,
        count.fingerprint.utf8.first != UInt8(ascii: "+")
      else {
        throw ServiceFailure.invalid(
          "A fingerprint has 16 hex digits.", target: "counts[\(index)].fingerprint")
      }
      guard count.count > 0 else {
        throw ServiceFailure.invalid(
          "A fingerprint without a crash is not counted.", target: "counts[\(index)].count")
      }
      var count = count
      count.fingerprint = count.fingerprint.lowercased()
      return count
    }
  }

  private func crashes(of device: DeviceID) async throws -> DeviceCrashes {
    guard try await service.management.standing(of: device).placement != nil else {
      throw ServiceFailure.unknownDevice(device)
    }
    let totals = try await service.dumps.totals(of: device)
    let skipped = try await service.dumps.skipped(of: device, now: service.now())
    let kinds = totals.map {
      DeviceCrashes.Kind(
        fingerprint: $0.key.fingerprint, total: $0.value,
        skippedDumps: skipped[$0.key.fingerprint] ?? 0)
    }
    return DeviceCrashes(
      deviceId: device.text, total: totals.values.reduce(0) { $0 + $1.count },
      uncaptured: UInt64(try await service.management.uncapturedCrashes(device: device)),
      skippedDumps: skipped.values.reduce(0, +),
      fingerprints: kinds.sorted {
        ($1.total.count, $0.fingerprint) < ($0.total.count, $1.fingerprint)
      })
  }
}
