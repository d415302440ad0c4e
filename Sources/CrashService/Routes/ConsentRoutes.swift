// How consent stands, for bridges that hold dumps.

import Hummingbird
import ServiceAPI

struct ConsentRoutes: Sendable {
  /// The most devices in one request.
  static let mostDevices = 256

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    router.post("martlet/v1/consents") { request, _ in
      let names = try await request.json(ConsentRequest.self).devices
      guard names.count <= Self.mostDevices else {
        throw ServiceFailure.invalid(
          "At most \(Self.mostDevices) devices go into one request, not \(names.count).",
          target: "devices")
      }
      let standings = try await service.management.standings(of: names.map(ResourceNames.device))
      return try jsonResponse(
        ConsentAnswer(
          consents: standings.map {
            ConsentAnswer.Consent(isKnown: $0.isKnown, allowed: $0.isAllowed, epoch: $0.epoch)
          }))
    }
  }
}
