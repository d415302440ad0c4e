// What clients of the Resource Manager dialect expect of every resource: versions, case, patches, authors.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct DialectTests {
  @Test(arguments: [
    ("", "MissingApiVersionParameter"), ("?api-version=", "MissingApiVersionParameter"),
    ("?api-version=2021-01-01", "InvalidApiVersionParameter"),
    ("?apiversion=2024-04-01", "MissingApiVersionParameter"),
  ])
  func `a request without a supported version is refused`(query: String, code: String) async throws
  {
    try await ServiceBench.run { bench in
      for path in [ServiceBench.catalog.path, ServiceBench.scope.everyCatalogPath] {
        // A query of its own keeps the bench from adding the version.
        let answer = try await bench.get(path + (query.isEmpty ? "?" : query))
        #expect(answer.status == .badRequest && answer.code == code)
      }
      let answer = try await bench.get(ServiceBench.catalog.path + "?api-version=1")
      #expect(answer.message.contains("2024-04-01, 2022-09-01-preview"))
      let nobody = try await bench.calling(as: .nobody).get(ServiceBench.catalog.path + "?")
      #expect(nobody.status == .unauthorized, "a login comes first")
    }
  }

  @Test(arguments: ["2024-04-01", "2022-09-01-preview", "2022-09-01-PREVIEW"])
  func `both versions are answered`(version: String) async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.group.path + "?API-Version=\(version)"
      let answer = try await bench.get(path)
      #expect(answer.status == .ok)
    }
  }

  @Test func `types and names are found in any case and keep their own`() async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.group.path
      for variant in [path.uppercased(), path.lowercased()] {
        let answer = try await bench.get(variant + "?api-version=2024-04-01")
        #expect(answer.status == .ok, "\(variant)")
        #expect(try answer.decoded(DeviceGroupResource.self).id == path)
      }
      let written = try await bench.put(path.lowercased(), "{}")
      #expect(written.status == .ok)
      #expect(try written.decoded(DeviceGroupResource.self).name == "Field Test")
    }
  }

  @Test func `the paths that bridges ask are found in any case`() async throws {
    try await ServiceBench.run { bench in
      let path = "/martlet/v1/devices/\(ServiceBench.device)/crashes"
      for variant in [path, path.uppercased(), path.replacing("martlet", with: "Martlet")] {
        let answer = try await bench.get(variant)
        #expect(answer.status == .ok, "\(variant): \(answer.message)")
        #expect(try await bench.post(variant).status == .methodNotAllowed, "\(variant)")
      }
      for unknown in ["/martlet/v1/lists", "/MARTLET/v1/lists", "/martlet/V1/dumps/x/y"] {
        #expect(try await bench.get(unknown).code == "RouteNotFound", "\(unknown)")
      }
    }
  }

  @Test func `the paths that are compared as they are written are in lower case`() async throws {
    try await ServiceBench.run { bench in
      let own = bench.service.endpoints.map(\.path).filter { $0.hasPrefix("/martlet/") }
      #expect(own.count > 10)
      for path in own {
        let fixed = path.split(separator: "/").filter { !$0.hasPrefix("{") }
        #expect(fixed.allSatisfy { $0 == $0.lowercased() }, "\(path)")
      }
    }
  }

  @Test func `a patch changes what it names, and null sets it back`() async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.group.path
      func patched(_ json: String) async throws -> DeviceGroupProperties {
        let answer = try await bench.patch(path, json)
        #expect(answer.status == .ok, "\(answer.message)")
        return try answer.decoded(DeviceGroupResource.self).properties
      }
      var wanted = try await patched("{}")
      let all = """
        {"properties":{"description":"d","osFeedType":"RetailEval","updatePolicy":"No3rdPartyAppUpdates",\
        "allowCrashDumpsCollection":"Enabled","regionalDataBoundary":"EU"}}
        """
      wanted = DeviceGroupProperties(
        description: "d", osFeedType: .retailEval, updatePolicy: .no3rdPartyAppUpdates,
        allowCrashDumpsCollection: .enabled, regionalDataBoundary: .eu)
      #expect(try await patched(all) == wanted)
      #expect(try await patched(#"{"properties":{}}"#) == wanted)
      #expect(try await patched(#"{"unknown":1,"properties":{"other":null}}"#) == wanted)
      wanted.description = ""
      wanted.allowCrashDumpsCollection = .disabled
      let nulls = #"{"properties":{"description":null,"allowCrashDumpsCollection":null}}"#
      #expect(try await patched(nulls) == wanted)
      #expect(try await patched(#"{"properties":null}"#) == DeviceGroupProperties())
    }
  }

  @Test func `tags are merged, and null removes them`() async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.catalog.path
      let steps: [(json: String, tags: [String: String])] = [
        (#"{"tags":{"b":"3","c":"4","x":null}}"#, ["a": "1", "b": "3", "c": "4"]),
        (#"{"tags":{"a":null,"c":null}}"#, ["b": "3"]), ("{}", ["b": "3"]),
        (#"{"tags":null}"#, [:]),
      ]
      let made = try await bench.put(path, #"{"tags":{"a":"1","b":"2"}}"#)
      #expect(try made.decoded(CatalogResource.self).tags == ["a": "1", "b": "2"])
      for step in steps {
        let answer = try await bench.patch(path, step.json)
        #expect(try answer.decoded(CatalogResource.self).tags == step.tags, "\(step.json)")
      }
    }
  }

  @Test(arguments: [
    (#"{"properties":{"osFeedType":"Beta"}}"#, "properties.osFeedType", "Retail, RetailEval"),
    (#"{"properties":{"updatePolicy":1}}"#, "properties.updatePolicy", "another type"),
    (
      #"{"properties":{"regionalDataBoundary":"eu"}}"#, "properties.regionalDataBoundary",
      "None, EU"
    ),
    (#"{"properties":{"description":7}}"#, "properties.description", "another type"),
    (
      #"{"properties":{"description":"\#(String(repeating: "x", count: 1001))"}}"#,
      "properties.description", "0 to 1000 characters, not 1001"
    ),
    (#"{"properties":{"description":"a\u0000b"}}"#, "properties.description", "control characters"),
    (#"{"properties":[]}"#, "properties", "another type"), ("[]", nil, "another type"),
    ("{", nil, "not valid JSON"),
  ])
  func `a body that is wrong is refused by the part that is`(
    json: String, target: String?, words: String
  ) async throws {
    try await ServiceBench.run { bench in
      for answer in [
        try await bench.patch(ServiceBench.group.path, json),
        try await bench.put(ServiceBench.group.path, json),
      ] {
        #expect(answer.status == .badRequest)
        let error = try answer.decoded(ServiceErrorBody.self).error
        #expect(error.code == "InvalidRequestContent" && error.target == target)
        #expect(error.message.contains(words), "\(error.message)")
      }
    }
  }

  @Test(arguments: [
    (#"{"tags":{"a":1}}"#, "another type"), (#"{"tags":{"":"1"}}"#, "name has 1 to 512"),
    (#"{"tags":{"a":"\#(String(repeating: "v", count: 257))"}}"#, "value has 0 to 256"),
    (#"{"tags":{"a":"\u0007"}}"#, "control characters"),
    (#"{"tags":{\#((0..<51).map { #""t\#($0)":"""# }.joined(separator: ","))}}"#, "50 tags"),
    (#"{"location":""}"#, "location has 1 to 90"),
  ])
  func `a catalog with texts that are wrong is refused`(json: String, words: String) async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.put(ServiceBench.catalog.path, json)
      #expect(answer.code == "InvalidRequestContent")
      #expect(answer.message.contains(words), "\(answer.message)")
    }
  }

  @Test func `a device whose group is set to null is in none of its owner's making`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let path = ServiceBench.group.devicePath(ServiceBench.device)
      for wrong in [#""""#, #""x""#, "1"] {
        let answer = try await bench.patch(path, #"{"properties":{"deviceGroupId":\#(wrong)}}"#)
        #expect(answer.status == .badRequest, "\(wrong)")
      }
      #expect(try await bench.patch(path, #"{"properties":{}}"#).status == .ok)
      #expect(try await bench.lease().decoded(LeaseAnswer.self).allowed)
      let moved = try await bench.patch(path, #"{"properties":{"deviceGroupId":null}}"#)
      #expect(moved.status == .ok)
      let id = try moved.decoded(DeviceResource.self).id
      #expect(id.contains("/products/.default/deviceGroups/.unassigned/devices/"))
      #expect(try await bench.get(id).status == .ok)
      #expect(try await !bench.lease().decoded(LeaseAnswer.self).allowed)
    }
  }

  @Test func `a method that an address does not take is refused with those that it takes`()
    async throws
  {
    try await ServiceBench.run { bench in
      let answer = try await bench.post(ServiceBench.group.path)
      #expect(answer.status == .methodNotAllowed && answer.code == "MethodNotAllowed")
      #expect(answer.headers[.allow] == "GET, PUT, PATCH, DELETE")
      let older = try await bench.send(.delete, TenantPath.tenants.uppercased())
      #expect(older.status == .methodNotAllowed && older.code == "MethodNotAllowed")
      let nothing = try await bench.get(ServiceBench.catalog.path + "/nothing")
      #expect(nothing.status == .notFound && nothing.code == "RouteNotFound")
    }
  }

  @Test func `resources say who made them and who changed them`() async throws {
    try await ServiceBench.run { bench in
      let maker = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
        .systemData
      bench.clock.advance(seconds: 60)
      let other = bench.calling(as: .administrator)
      _ = try await other.patch(ServiceBench.group.path, #"{"properties":{"description":"x"}}"#)
      let after = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
        .systemData
      #expect(maker?.createdBy?.hasPrefix("token ") == true)
      #expect(after?.createdBy == maker?.createdBy && after?.createdAt == maker?.createdAt)
      #expect(after?.lastModifiedBy != maker?.lastModifiedBy)
      #expect(after?.lastModifiedBy?.hasPrefix("token ") == true)
      #expect(after?.createdByType == "Application" && after?.lastModifiedByType == "Application")
      #expect(after?.lastModifiedAt == bench.clock.now)
      let device = try await bench.get(ServiceBench.group.devicePath(ServiceBench.device))
        .decoded(DeviceResource.self).systemData
      #expect(device?.createdBy == maker?.createdBy)
    }
  }
}
