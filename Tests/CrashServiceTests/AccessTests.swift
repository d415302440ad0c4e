// Who may call what: every role against every endpoint, scopes, and logins that are none.

import Foundation
import HTTPTypes
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct AccessTests {
  /// The path of an endpoint with parameters that name what ``ServiceBench`` made, or nothing.
  private func path(of endpoint: Endpoint) -> String {
    let values = [
      "subscription": "s", "resourceGroup": "g", "catalog": "plant", "product": "DW100",
      "deviceGroup": "Other", "device": ServiceBench.oddDevice, "key": "1-1", "location": "global",
    ]
    return endpoint.pathParameters.reduce(endpoint.path) { path, name in
      path.replacing("{\(name)}", with: values[name] ?? "none")
    }
  }

  @Test(arguments: Role.allCases)
  func `a role reaches the endpoints that it is for and no other`(role: Role) async throws {
    try await ServiceBench.run { bench in
      let caller = bench.calling(as: role)
      for endpoint in bench.service.endpoints where endpoint.method != .delete {
        let answer = try await caller.send(endpoint.method, path(of: endpoint))
        let permitted = endpoint.access.permission.map { role.permissions.contains($0) } ?? true
        let refused = answer.status == .forbidden && answer.code == "AuthorizationFailed"
        #expect(refused == !permitted, "\(role) \(endpoint.id): \(answer.status)")
        #expect(answer.status != .unauthorized, "\(role) \(endpoint.id)")
        #expect(answer.status.code < 500, "\(role) \(endpoint.id)")
      }
    }
  }

  @Test func `nothing but what is open answers without a login`() async throws {
    try await ServiceBench.run { bench in
      let caller = bench.calling(with: nil)
      for endpoint in bench.service.endpoints {
        let answer = try await caller.send(endpoint.method, path(of: endpoint))
        if endpoint.access.permission == nil {
          #expect(answer.status == .ok, "\(endpoint.id)")
        } else {
          #expect(answer.status == .unauthorized, "\(endpoint.id)")
          #expect(answer.code == "AuthenticationRequired")
          #expect(answer.headers[.wwwAuthenticate] == #"Bearer realm="martlet""#)
        }
      }
    }
  }
}
