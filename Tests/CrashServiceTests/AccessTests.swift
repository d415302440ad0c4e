// Who may call what: every role against every endpoint, and logins that are none.

import Foundation
import HTTPTypes
import MartletTestKit
import ServiceAPI
import Testing

@testable import CrashService

/// Which roles reach which endpoint: written down a second time, so that a change of either is noticed.
private let rolesOfEndpoints: [String: Set<Role>] = {
  let readers: Set<Role> = [.reader, .contributor, .administrator, .investigator, .auditor]
  let writers: Set<Role> = [.contributor, .administrator]
  let everybody = Set(Role.allCases)
  return [
    "Health_Get": everybody, "OpenAPI_Get": everybody, "Readiness_Get": everybody,
    "Metrics_Get": readers,
    "Catalogs_ListBySubscription": readers, "Catalogs_ListByResourceGroup": readers,
    "Catalogs_Get": readers, "Catalogs_CreateOrUpdate": writers, "Catalogs_Update": writers,
    "Catalogs_Delete": writers, "Catalogs_CountDevices": readers,
    "Catalogs_ListDeviceGroups": readers, "Catalogs_ListDevices": readers,
    "Catalogs_ListDeviceInsights": readers, "Catalogs_ListDeviceInsightsPage": readers,
    "Catalogs_ListDeployments": readers, "Catalogs_ListDeploymentsPage": readers,
    "Catalogs_UploadImage": writers, "Images_ListByCatalog": readers, "Images_Get": readers,
    "Images_CreateOrUpdate": writers, "Images_Delete": writers,
    "Deployments_ListByDeviceGroup": readers, "Deployments_Get": readers,
    "Deployments_CreateOrUpdate": writers, "Deployments_Delete": writers,
    "Catalogs_ListDeviceGroupsPage": readers, "Catalogs_ListDevicesPage": readers,
    "Products_ListByCatalog": readers, "Products_Get": readers,
    "Products_CreateOrUpdate": writers, "Products_Update": writers, "Products_Delete": writers,
    "Products_CountDevices": readers,
    "DeviceGroups_ListByProduct": readers, "DeviceGroups_Get": readers,
    "DeviceGroups_CreateOrUpdate": writers, "DeviceGroups_Update": writers,
    "DeviceGroups_Delete": writers, "DeviceGroups_CountDevices": readers,
    "DeviceGroups_ClaimDevices": writers,
    "Devices_ListByDeviceGroup": readers, "Devices_Get": readers, "Devices_Update": writers,
    "Devices_Delete": writers, "Devices_Crashes": readers,
    "Certificates_ListByCatalog": readers, "Certificates_Get": readers,
    "Certificates_RetrieveCertChain": readers,
    "Certificates_RetrieveProofOfPossessionNonce": writers,
    "Operations_Get": readers, "Operations_List": readers,
    "Products_GenerateDefaultDeviceGroups": writers, "Devices_CreateOrUpdate": writers,
    "Devices_GenerateCapabilityImage": writers,
    "Tenants_List": readers, "Tenants_ListDeviceGroups": readers,
    "Tenants_GetDeviceGroup": readers, "Tenants_UpdateDeviceGroup": writers,
    "Retention_Get": [.auditor], "Retention_Delete": [.auditor], "Audit_List": [.auditor],
    "Dumps_List": readers, "Dumps_Get": readers, "Dumps_GetContent": [.investigator],
    "Bridges_Lease": [.bridge], "Bridges_Offers": [.bridge], "Bridges_Counts": [.bridge],
    "Bridges_PutDump": [.bridge], "Bridges_Consents": [.bridge],
    "Provisioning_Offer": [.bridge], "Provisioning_Register": writers.union([.bridge]),
    "Provisioning_Get": everybody,
  ]
}()

extension Endpoint {
  /// The path with parameters that name what ``ServiceBench`` made, or nothing.
  /// - Parameter values: for single parameters.
  func samplePath(_ values: [String: String] = [:]) -> String {
    let samples = [
      "subscription": "s", "resourceGroup": "g", "catalog": "plant", "product": "DW100",
      "deviceGroup": "Other", "device": ServiceBench.oddDevice, "key": "1-1", "location": "global",
    ].merging(values) { $1 }
    return pathParameters.reduce(path) { path, name in
      path.replacing("{\(name)}", with: samples[name] ?? "none")
    }
  }
}

@Suite struct AccessTests {
  @Test func `it is written down for every endpoint who may call it`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      let ids = bench.service.endpoints.map(\.id)
      #expect(Set(ids) == Set(rolesOfEndpoints.keys))
      #expect(Set(ids).count == ids.count, "two endpoints have one id")
    }
  }

  @Test(arguments: Role.allCases)
  func `a role reaches the endpoints that it is for and no other`(role: Role) async throws {
    try await ServiceBench.run { bench in
      let caller = bench.calling(as: role)
      // What deletes comes last, so that something is there for the others.
      let endpoints = bench.service.endpoints.sorted {
        $0.method != .delete && $1.method == .delete
      }
      for endpoint in endpoints {
        let answer = try await caller.send(endpoint.method, endpoint.samplePath())
        let permitted = rolesOfEndpoints[endpoint.id]?.contains(role) ?? false
        let refused = answer.status == .forbidden && answer.code == "AuthorizationFailed"
        #expect(refused == !permitted, "\(role) \(endpoint.id): \(answer.status)")
        #expect(answer.status != .unauthorized, "\(role) \(endpoint.id)")
        #expect(answer.status.code < 500, "\(role) \(endpoint.id)")
      }
    }
  }

  @Test func `nothing but what is open answers without a login`() async throws {
    try await ServiceBench.run { bench in
      let caller = bench.calling(as: .nobody)
      for endpoint in bench.service.endpoints {
        let answer = try await caller.send(endpoint.method, endpoint.samplePath())
        if endpoint.access.permission == nil {
          #expect(answer.status == .ok, "\(endpoint.id)")
        } else {
          #expect(answer.status == .unauthorized, "\(endpoint.id)")
          #expect(answer.code == "AuthenticationRequired")
          #expect(answer.headers[.wwwAuthenticate] == #"Bearer realm="martlet""#)
        }
      }
      #expect(try await bench.get(ServiceBench.otherGroup.path).status == .ok)
    }
  }

  @Test func `a login is a token behind the word bearer, in any case`() async throws {
    let unknown = AccessToken().text
    try await ServiceBench.run { bench in
      let token = try #require(try await bench.callers.token(of: bench.caller))
      let path =
        ServiceBench.catalog.path + ResourceManagerPath.query(of: ServiceBench.catalog.path)
      func code(_ header: String) async throws -> String? {
        try await bench.client.execute(
          uri: path, method: .get, headers: [.authorization: header], body: nil
        ) {
          let answer = Answer(status: $0.status, headers: $0.headers, body: $0.body)
          return answer.status == .ok ? "ok" : answer.code
        }
      }
      for header in ["Bearer \(token)", "bearer \(token)", "BEARER  \(token)"] {
        #expect(try await code(header) == "ok", "\(header)")
      }
      let wrong = [
        "Bearer", "Bearer \(unknown)", "Bearer\(token)", "Basic \(token)", token,
        "[earer \(token)", "Bearer \(token)0", "Bearer \(token.uppercased())",
      ]
      for header in wrong {
        #expect(try await code(header) == "InvalidAuthenticationToken", "\(header)")
      }
    }
  }

  @Test func `a refused write changes nothing`() async throws {
    try await ServiceBench.run { bench in
      let reader = bench.calling(as: .reader, .bridge)
      #expect(try await reader.put(ServiceBench.group.path, "{}").status == .forbidden)
      let patch = #"{"properties":{"description":"changed"}}"#
      #expect(try await reader.patch(ServiceBench.group.path, patch).status == .forbidden)
      #expect(try await reader.send(.delete, ServiceBench.catalog.path).status == .forbidden)
      let group = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(group.properties == DeviceGroupProperties())
    }
  }

  @Test func `what no login is gets 401 and no more`() async throws {
    try await ServiceBench.run { bench in
      let known = try await bench.callers.token(of: .everything) ?? ""
      let stranger = AccessToken().text
      let wrongSecret = known.dropLast(64) + stranger.suffix(64)
      let tokens = [
        stranger, String(wrongSecret), String(known.dropLast()), known + "0", known.uppercased(),
        "mt__", "mt_" + String(repeating: "_", count: 100), "", " ", "ü",
        String(repeating: "a", count: 4000),
      ]
      for token in tokens {
        let answer = try await bench.calling(as: .token(token)).get(ServiceBench.catalog.path)
        #expect(answer.status == .unauthorized, "\(token.prefix(30))")
        #expect(answer.code == "InvalidAuthenticationToken")
        #expect(answer.headers[.wwwAuthenticate]?.contains("invalid_token") == true)
        #expect(!answer.message.contains("plant"))
      }
      #expect(try await bench.calling(as: .token(known)).get("/healthz").status == .ok)
    }
  }

  @Test func `tokens of random bytes are read or refused and nothing traps`() {
    var generator = SeededGenerator.fromEnvironment()
    let alphabet = Array("mt_0123456789abcdefABCDEFg ü\u{0}-")
    for _ in 0..<5000 {
      let count = Int.random(in: 0...120, using: &generator)
      let text = String((0..<count).map { _ in alphabet.randomElement(using: &generator) ?? "m" })
      if let token = AccessToken(text) {
        #expect(token.text == text)
      }
    }
    let token = AccessToken()
    #expect(AccessToken(token.text)?.text == token.text)
    #expect(!"\(token)".contains(token.text.suffix(64)))
  }

  @Test func `a token that expired or was revoked opens nothing from that moment on`() async throws
  {
    try await ServiceBench.run { bench in
      let token = AccessToken()
      try await bench.callers.store.insert(
        Credential(
          token, roles: [.reader], catalogs: .all, createdAt: bench.clock.now,
          expiresAt: bench.clock.now + 3600))
      let caller = bench.calling(as: .token(token.text))
      bench.clock.advance(seconds: 3599)
      #expect(try await caller.get(ServiceBench.catalog.path).status == .ok)
      bench.clock.advance(seconds: 1)
      #expect(try await caller.get(ServiceBench.catalog.path).status == .unauthorized)

      let reader = bench.calling(as: .reader)
      #expect(try await reader.get(ServiceBench.catalog.path).status == .ok)
      let text = try #require(try await bench.callers.token(of: reader.caller))
      let id = try #require(AccessToken(text)).id
      #expect(try await bench.callers.store.revoke(.token, id, at: bench.clock.now))
      #expect(try await reader.get(ServiceBench.catalog.path).status == .unauthorized)
      #expect(try await !bench.callers.store.revoke(.token, "none", at: bench.clock.now))
    }
  }
}
