// Whether the service runs.

import Hummingbird

struct HealthRoutes: EndpointGroup {
  var endpoints: [Endpoint] {
    [
      Endpoint(
        .get, "/healthz", id: "Health_Get", "Tells that the service runs.", tag: .operation,
        access: .open, answers: [.ok([String: String].self)]
      ) { _, _ in try jsonResponse(["status": "ok"]) }
    ]
  }
}
