// Whether the service runs, and whether it can do its work.

import Hummingbird
import ServiceAPI

struct HealthRoutes: EndpointGroup {
  /// Seconds after which it is worth asking again.
  private static let retryAfter = 5

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .get, "/healthz", id: "Health_Get", "Tells that the service runs.", tag: .operation,
        access: .open, answers: [.ok([String: String].self)]
      ) { _, _ in try jsonResponse(["status": "ok"]) },
      Endpoint(
        .get, "/readyz", id: "Readiness_Get",
        "Tells whether the service can do its work: databases, disk, clock, certificate.",
        tag: .operation, access: .open,
        answers: [.ok(ReadinessReport.self, "It can.")], refusals: [.serviceUnavailable]
      ) { _, _ in
        let report = await service.readiness.report()
        guard !report.isReady else { return try jsonResponse(report) }
        return try jsonResponse(
          report, status: .serviceUnavailable, headers: [.retryAfter: "\(Self.retryAfter)"])
      },
    ]
  }
}
