// The older public API: the same consent as in the other dialect, in its own forms.

import Foundation
import HTTPTypes
import NIOCore
import ServiceAPI
import Testing

@testable import CrashService

extension Answer {
  /// The errors of the older API; `nil` when the body is no array of them.
  fileprivate var tenantErrors: [TenantError]? { try? decoded([TenantError].self) }
}

@Suite struct TenantTests {
  /// The tenant that the bench's catalog is, and its groups by name.
  private static func tenant(_ bench: ServiceBench) async throws -> (
    id: String, groups: [String: TenantGroup]
  ) {
    let tenants = try await bench.get(TenantPath.tenants).decoded([Tenant].self)
    let id = try #require(tenants.first { $0.name == "plant" }).id
    let groups = try await bench.get(TenantPath.deviceGroups(tenant: id))
      .decoded(TenantGroupList.self).items
    return (id, Dictionary(uniqueKeysWithValues: groups.map { ($0.name, $0) }))
  }

  @Test func `catalogs are tenants and every group of theirs is listed`() async throws {
    try await ServiceBench.run { bench in
      for number in 1...150 {
        let path = ServiceBench.product.deviceGroupsPath + "/G\(number)"
        #expect(try await bench.put(path, "{}").status == .created)
      }
      let catalog = try await bench.get(ServiceBench.catalog.path).decoded(CatalogResource.self)
      let seen = try await Self.tenant(bench)
      #expect(seen.id == catalog.properties.tenantId)
      #expect(seen.groups.count == 152)
      let group = try #require(seen.groups["Field Test"])
      #expect(UUID(uuidString: group.id) != nil && UUID(uuidString: group.productID) != nil)
      #expect(group.tenantID == seen.id)
    }
  }

  @Test func `a group has every member that clients read, in its form`() async throws {
    try await ServiceBench.run { bench in
      let seen = try await Self.tenant(bench)
      let id = try #require(seen.groups["Other"]).id
      let answer = try await bench.get(TenantPath.deviceGroup(tenant: seen.id, group: id))
      let json = try #require(
        JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView))
          as? [String: Any])
      #expect(
        Set(json.keys) == [
          "Id", "TenantId", "OsFeedType", "ProductId", "Name", "Description", "CurrentDeployment",
          "UpdatePolicy", "AllowCrashDumpsCollection",
        ])
      #expect(json["CurrentDeployment"] is NSNull)
      #expect(json["OsFeedType"] as? Int == 0 && json["UpdatePolicy"] as? Int == 0)
      #expect(String(buffer: answer.body).contains(#""AllowCrashDumpsCollection":false"#))
      let list = try await bench.get(TenantPath.deviceGroups(tenant: seen.id))
      #expect(String(buffer: list.body).contains(#""ContinuationToken":null"#))
    }
  }

  @Test func `what one dialect sets the other shows`() async throws {
    try await ServiceBench.run { bench in
      let seen = try await Self.tenant(bench)
      let group = try #require(seen.groups["Field Test"])
      let path = TenantPath.deviceGroup(tenant: seen.id, group: group.id)
      let epoch = try await bench.epoch()
      var wanted = group
      wanted.allowCrashDumpsCollection = true
      let on = try await bench.patch(path, #"{"AllowCrashDumpsCollection":true}"#)
      #expect(on.status == .ok)
      #expect(try on.decoded(TenantGroup.self) == wanted)
      let resource = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(resource.properties.allowCrashDumpsCollection == .enabled)
      #expect(try await bench.epoch() == epoch + 1)
      #expect(try await bench.lease().decoded(LeaseAnswer.self).allowed)

      try await bench.setConsent(.disabled)
      #expect(try await bench.get(path).decoded(TenantGroup.self) == group)
      let more = #"{"OSFeedType":1,"UpdatePolicy":1,"Description":"d","Unknown":[]}"#
      let changed = try await bench.patch(path, more).decoded(TenantGroup.self)
      #expect(changed.osFeedType == 1 && changed.updatePolicy == 1 && changed.description == "d")
      let properties = try await bench.get(ServiceBench.group.path)
        .decoded(DeviceGroupResource.self).properties
      #expect(properties.osFeedType == .retailEval)
      #expect(properties.updatePolicy == .no3rdPartyAppUpdates)
    }
  }

  @Test func `ids are taken in capitals`() async throws {
    try await ServiceBench.run { bench in
      let seen = try await Self.tenant(bench)
      let id = try #require(seen.groups["Other"]).id
      let path = TenantPath.deviceGroup(tenant: seen.id.uppercased(), group: id.uppercased())
      #expect(
        try await bench.get(path.replacing("devicegroups", with: "DeviceGroups")).status == .ok)
    }
  }

  @Test(arguments: [
    (#"{"AllowCrashDumpsCollection":1}"#, HTTPResponse.Status.badRequest),
    (#"{"AllowCrashDumpsCollection":"true"}"#, .badRequest),
    (#"{"AllowCrashDumpsCollection":null}"#, .badRequest), (#"{"OSFeedType":2}"#, .badRequest),
    (#"{"OSFeedType":"Retail"}"#, .badRequest), (#"{"UpdatePolicy":-1}"#, .badRequest),
    (#"{"Description":"\u0001"}"#, .badRequest), ("[]", .badRequest), ("{", .badRequest),
    ("", .badRequest),
  ])
  func `a change that is wrong is refused with an array`(json: String, status: HTTPResponse.Status)
    async throws
  {
    try await ServiceBench.run { bench in
      let seen = try await Self.tenant(bench)
      let group = try #require(seen.groups["Other"])
      let path = TenantPath.deviceGroup(tenant: seen.id, group: group.id)
      let answer = try await bench.patch(path, json)
      #expect(answer.status == status)
      let errors = try #require(answer.tenantErrors)
      #expect(errors.count == 1 && !errors[0].code.isEmpty && !errors[0].title.isEmpty)
      #expect(try await bench.get(path).decoded(TenantGroup.self) == group)
    }
  }

  @Test func `what is not there is refused with an array`() async throws {
    try await ServiceBench.run { bench in
      let other = CatalogReference(scope: ServiceBench.scope, name: "second")
      #expect(try await bench.put(other.path, "{}").status == .created)
      let seen = try await Self.tenant(bench)
      let group = try #require(seen.groups["Other"]).id
      let nobody = "00000000-1111-2222-3333-444444444444"
      let second = try await bench.get(other.path).decoded(CatalogResource.self).properties.tenantId
      for path in [
        TenantPath.deviceGroups(tenant: nobody), TenantPath.deviceGroups(tenant: "x'y"),
        TenantPath.deviceGroup(tenant: nobody, group: group),
        TenantPath.deviceGroup(tenant: seen.id, group: nobody),
        TenantPath.deviceGroup(tenant: second, group: group), "/v2/nothing",
      ] {
        let answer = try await bench.get(path)
        #expect(answer.status == .notFound, "\(path)")
        #expect(answer.tenantErrors?.count == 1, "\(path)")
      }
    }
  }

  @Test func `catalogs that a token is not for are no tenants of it`() async throws {
    try await ServiceBench.run { bench in
      let other = CatalogReference(scope: ServiceBench.scope, name: "second")
      #expect(try await bench.put(other.path, "{}").status == .created)
      let seen = try await Self.tenant(bench)
      let path = TenantPath.deviceGroup(
        tenant: seen.id, group: try #require(seen.groups["Other"]).id)
      let stranger = bench.calling(as: .administrator, in: [other])
      let tenants = try await stranger.get(TenantPath.tenants).decoded([Tenant].self)
      #expect(tenants.map(\.name) == ["second"])
      #expect(tenants.first?.roles == ["Administrator"])
      #expect(try await stranger.get(path).status == .notFound)
      let patch = try await stranger.patch(path, #"{"AllowCrashDumpsCollection":true}"#)
      #expect(patch.status == .notFound)
    }
  }

  @Test func `readers look, and administrators alone give consent`() async throws {
    try await ServiceBench.run { bench in
      let seen = try await Self.tenant(bench)
      let path = TenantPath.deviceGroup(
        tenant: seen.id, group: try #require(seen.groups["Other"]).id)
      let on = #"{"AllowCrashDumpsCollection":true}"#
      #expect(try await bench.calling(as: .reader).get(path).status == .ok)
      for role in [Role.reader, .contributor, .investigator, .auditor, .bridge] {
        let answer = try await bench.calling(as: role).patch(path, on)
        #expect(answer.status == .forbidden, "\(role)")
        #expect(answer.tenantErrors?.first?.code == "AuthorizationFailed")
      }
      #expect(
        try await bench.get(path).decoded(TenantGroup.self).allowCrashDumpsCollection == false)
      #expect(try await bench.calling(as: .administrator).patch(path, on).status == .ok)
      let nobody = try await bench.calling(as: .nobody).get(TenantPath.tenants)
      #expect(nobody.status == .unauthorized && nobody.tenantErrors?.count == 1)
    }
  }
}
