// How consent stands, for bridges that hold dumps.

import Hummingbird
import ServiceAPI

struct ConsentRoutes: EndpointGroup {
  /// The most devices in one request.
  static let mostDevices = 256

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .post, ConsentPath.consents, id: "Bridges_Consents",
        "Tells how consent stands for devices.", tag: .bridges,
        access: .init(.deliverDumps, in: .handler), body: .json(ConsentRequest.self),
        answers: [.ok(ConsentAnswer.self)]
      ) { request, context in
        let names = try await request.json(ConsentRequest.self).devices
        guard names.count <= Self.mostDevices else {
          throw ServiceFailure.invalid(
            "At most \(Self.mostDevices) devices go into one request, not \(names.count).",
            target: "devices")
        }
        let standings = try await service.management.standings(of: names.map(ResourceNames.device))
        return try jsonResponse(
          ConsentAnswer(consents: standings.map { consent($0, for: context.principal) }))
      }
    ]
  }

  /// What the caller may know: a device of a catalog that it has nothing to do with is one that nobody
  /// knows.
  private func consent(_ standing: DeviceStanding, for principal: Principal)
    -> ConsentAnswer.Consent
  {
    guard principal.mayReach(standing) else {
      return ConsentAnswer.Consent(isKnown: false, allowed: false, epoch: 0)
    }
    return ConsentAnswer.Consent(
      isKnown: standing.isKnown, allowed: standing.isAllowed, epoch: standing.epoch)
  }
}
