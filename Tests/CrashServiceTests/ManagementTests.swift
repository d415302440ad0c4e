// The management API: what is made, changed, listed and refused.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ManagementTests {
  @Test func `a new group collects nothing and has no boundary`() async throws {
    try await ServiceBench.run { bench in
      let group = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(group.properties == DeviceGroupProperties())
      #expect(group.properties.allowCrashDumpsCollection == .disabled)
      #expect(group.properties.regionalDataBoundary == .unbounded)
      #expect(group.properties.osFeedType == .retail)
      #expect(group.properties.updatePolicy == .updateAll)
      #expect(group.name == "Field Test")
      #expect(group.id == ServiceBench.group.path)
      #expect(group.type == "Microsoft.AzureSphere/catalogs/products/deviceGroups")
    }
  }

  @Test func `a PATCH changes what it names and leaves the rest`() async throws {
    try await ServiceBench.run { bench in
      _ = try await bench.patch(
        ServiceBench.group.path,
        #"{"properties":{"description":"d","allowCrashDumpsCollection":"Enabled"},"future":1}"#)
      let answer = try await bench.patch(
        ServiceBench.group.path, #"{"properties":{"regionalDataBoundary":"EU"}}"#)
      #expect(answer.status == .ok)
      let properties = try answer.decoded(DeviceGroupResource.self).properties
      #expect(properties.description == "d")
      #expect(properties.allowCrashDumpsCollection == .enabled)
      #expect(properties.regionalDataBoundary == .eu)
    }
  }

  @Test func `a PUT on an existing group sets back what it does not name`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let answer = try await bench.put(ServiceBench.group.path, "{}")
      #expect(answer.status == .ok)
      let properties = try answer.decoded(DeviceGroupResource.self).properties
      #expect(properties.allowCrashDumpsCollection == .disabled)
    }
  }

  @Test func `a wrong word is refused with the words that are allowed`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.patch(
        ServiceBench.group.path, #"{"properties":{"allowCrashDumpsCollection":"Yes"}}"#)
      #expect(answer.status == .badRequest)
      #expect(answer.message.contains("Enabled, Disabled"))
      #expect(answer.message.contains("properties.allowCrashDumpsCollection"))
    }
  }

  @Test(arguments: ["", "{", "[]", "null", "\u{0}", #"{"properties":[]}"#, #"{"properties":7}"#])
  func `JSON that is none is refused as JSON`(body: String) async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.patch(ServiceBench.group.path, body)
      #expect(answer.status == .badRequest)
      #expect(answer.code == "InvalidRequestContent")
      #expect(!answer.message.isEmpty)
    }
  }

  @Test(arguments: [
    "deviceGroups/bad-name", "deviceGroups/%20x", "deviceGroups/.unassigned", "deviceGroups/x%2Fy",
    "deviceGroups/" + String(repeating: "x", count: 51), "deviceGroups/%FF",
  ])
  func `a name outside the rules is refused`(part: String) async throws {
    try await ServiceBench.run { bench in
      let path = "\(ServiceBench.product.path)/\(part)"
      let answer = try await bench.put(path, "{}")
      #expect(answer.status == .badRequest)
    }
  }

  @Test func `what is missing is named, and what makes it`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      let answer = try await bench.put(ServiceBench.product.path, "{}")
      #expect(answer.status == .notFound)
      #expect(answer.code == "ResourceNotFound")
      #expect(answer.message.contains("martlet catalog create --name plant"))
    }
  }

  @Test func `lists hold what was made and not the service's own groups`() async throws {
    try await ServiceBench.run { bench in
      let groups = try await bench.get(ServiceBench.product.deviceGroupsPath)
        .decoded(ResourceList<DeviceGroupResource>.self)
      #expect(groups.value.map(\.name) == ["Field Test", "Other"])
      let products = try await bench.get(ServiceBench.catalog.productsPath)
        .decoded(ResourceList<ProductResource>.self)
      #expect(products.value.map(\.name) == ["DW100"])
      let all = try await bench.post(ServiceBench.catalog.listDeviceGroupsPath)
        .decoded(ResourceList<DeviceGroupResource>.self)
      #expect(all.value.map(\.name) == ["Field Test", "Other"])
      let path = "/subscriptions/s/providers/Microsoft.AzureSphere/catalogs?api-version=2024-04-01"
      let catalogs = try await bench.get(path).decoded(ResourceList<CatalogResource>.self)
      #expect(catalogs.value.map(\.name) == ["plant"])
    }
  }

  @Test func `a list longer than a page goes on at its nextLink`() async throws {
    try await ServiceBench.run { bench in
      for i in 0..<105 {
        _ = try await bench.put("\(ServiceBench.product.deviceGroupsPath)/G\(1000 + i)", "{}")
      }
      let first = try await bench.get(
        ServiceBench.product.deviceGroupsPath + "?api-version=2024-04-01"
      ).decoded(ResourceList<DeviceGroupResource>.self)
      #expect(first.value.count == 100)
      let link = try #require(first.nextLink)
      #expect(link.contains("api-version=2024-04-01"))
      let path = try #require(URL(string: link)?.path)
      let query = try #require(URL(string: link)?.query)
      let second = try await bench.get("\(path)?\(query)")
        .decoded(ResourceList<DeviceGroupResource>.self)
      #expect(second.value.count == 7)
      #expect(second.nextLink == nil)
    }
  }

  @Test func `a claim is accepted with an address that says it is done`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.claim(ServiceBench.oddDevice)
      #expect(answer.status == .accepted)
      #expect(answer.headers[.retryAfter] == "1")
      let location = try #require(answer.headers[.location].flatMap { URL(string: $0) })
      let status = try await bench.get(location.path)
      #expect(status.status == .ok)
      #expect(try status.decoded(OperationStatus.self).status == .succeeded)
      #expect(try await bench.get(location.path + "x").status == .notFound)
      let count = try await bench.post(ServiceBench.group.countDevicesPath)
      #expect(try count.decoded(CountDevicesAnswer.self).value == 2)
    }
  }

  @Test func `a device of another catalog is not claimed, nor any beside it`() async throws {
    try await ServiceBench.run { bench in
      let other = CatalogReference(scope: ServiceBench.scope, name: "other")
      let product = ProductReference(catalog: other, name: "XY1")
      let group = DeviceGroupReference(product: product, name: "A")
      for path in [other.path, product.path, group.path] { _ = try await bench.put(path, "{}") }
      let answer = try await bench.post(
        group.claimDevicesPath,
        #"{"deviceIdentifiers":["\#(ServiceBench.oddDevice)","\#(ServiceBench.device)"]}"#)
      #expect(answer.status == .conflict)
      #expect(answer.code == "DeviceAlreadyClaimed")
      let count = try await bench.post(group.countDevicesPath)
      #expect(try count.decoded(CountDevicesAnswer.self).value == 0)
    }
  }

  @Test func `a group or product with devices is not deleted`() async throws {
    try await ServiceBench.run { bench in
      let group = ServiceBench.otherGroup.path
      let full = try await bench.send(.delete, ServiceBench.group.path)
      #expect(full.status == .conflict)
      #expect(try await bench.send(.delete, ServiceBench.product.path).status == .conflict)
      #expect(try await bench.send(.delete, group).status == .ok)
      #expect(try await bench.send(.delete, group).status == .noContent)
      #expect(try await bench.get(group).status == .notFound)
    }
  }

  @Test func `a device moves within its catalog`() async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.group.devicePath(ServiceBench.device)
      let moved = try await bench.patch(
        path, #"{"properties":{"deviceGroupId":"\#(ServiceBench.otherGroup.path)"}}"#)
      #expect(moved.status == .ok)
      #expect(
        try moved.decoded(DeviceResource.self).id
          == ServiceBench.otherGroup.devicePath(ServiceBench.device))
      #expect(try await bench.get(path).status == .notFound)
      let bad = try await bench.patch(
        ServiceBench.otherGroup.devicePath(ServiceBench.device),
        #"{"properties":{"deviceGroupId":"nowhere"}}"#)
      #expect(bad.status == .badRequest)
    }
  }

  @Test func `an unknown route is answered in JSON`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      let answer = try await bench.get("/nowhere")
      #expect(answer.status == .notFound)
      #expect(answer.code == "RouteNotFound")
      #expect(try await bench.get("/healthz").status == .ok)
    }
  }
}
