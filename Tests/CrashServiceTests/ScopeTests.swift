// Callers whose token is for some catalogs: what they reach, see and change.

import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ScopeTests {
  /// A catalog in which nothing of ``ServiceBench`` is.
  static let other = CatalogReference(scope: ServiceBench.scope, name: "other")
  static let otherProduct = ProductReference(catalog: other, name: "XY1")
  static let otherGroup = DeviceGroupReference(product: otherProduct, name: "Field")

  private func addOther(_ bench: ServiceBench) async throws {
    for path in [Self.other.path, Self.otherProduct.path, Self.otherGroup.path] {
      #expect(try await bench.put(path, "{}").status == .created)
    }
  }

  private func callingForOther(_ bench: ServiceBench) -> ServiceBench {
    bench.calling(as: .roles(Set(Role.allCases), in: [Self.other]))
  }

  @Test func `every endpoint that names a catalog refuses those of others, made or not`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      let caller = callingForOther(bench)
      let endpoints = bench.service.endpoints.filter {
        if case .catalog = $0.access.scope { true } else { false }
      }
      #expect(endpoints.count >= 20)
      for endpoint in endpoints {
        let values = ["device": ServiceBench.device, "deviceGroup": "Field%20Test"]
        let there = try await caller.send(endpoint.method, endpoint.samplePath(values))
        let absent = try await caller.send(
          endpoint.method, endpoint.samplePath(values.merging(["catalog": "none"]) { $1 }))
        #expect(there.status == .forbidden, "\(endpoint.id)")
        #expect(there.code == "CatalogOutOfScope", "\(endpoint.id)")
        #expect(absent.body == there.body, "\(endpoint.id) tells what is there")
      }
      #expect(try await bench.get(ServiceBench.group.path).status == .ok)
    }
  }

  @Test func `every endpoint that names a device refuses those of other catalogs and unknown ones`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await addOther(bench)
      let caller = callingForOther(bench)
      let endpoints = bench.service.endpoints.filter {
        if case .device = $0.access.scope { true } else { false }
      }
      #expect(endpoints.count >= 5)
      // One that is claimed, one that is registered alone, one that nobody knows.
      #expect(try await bench.provision(ServiceBench.oddDevice).status == .created)
      let unknown = String(repeating: "0", count: 128)
      for endpoint in endpoints {
        var bodies: Set<String> = []
        for device in [ServiceBench.device, ServiceBench.oddDevice, unknown] {
          let answer = try await caller.send(
            endpoint.method, endpoint.samplePath(["device": device]))
          #expect(answer.status == .forbidden, "\(endpoint.id)")
          bodies.insert(String(buffer: answer.body))
        }
        #expect(bodies.count == 1, "\(endpoint.id) tells devices apart")
      }
    }
  }

  @Test func `a token for a catalog works there in any case of its letters`() async throws {
    try await ServiceBench.run { bench in
      let scope = CatalogScope(subscription: "S", resourceGroup: "G")
      let caller = bench.calling(
        as: .contributor, in: [CatalogReference(scope: scope, name: "Plant")])
      let crashes = DeviceCrashesPath.crashes(device: ServiceBench.device)
      for path in [ServiceBench.catalog.path, ServiceBench.group.path, crashes] {
        let answer = try await caller.get(path)
        #expect(answer.status == .ok, "\(path)")
      }
      let elsewhere = CatalogReference(
        scope: CatalogScope(subscription: "s", resourceGroup: "g2"), name: "plant")
      #expect(try await caller.get(elsewhere.path).status == .forbidden)
    }
  }

  @Test func `names that only look the same are other names`() {
    let scope = CatalogScope(subscription: "caf\u{E9}", resourceGroup: "k")
    let grant = CatalogGrant.only([CatalogReference(scope: scope, name: "a")])
    #expect(grant.includes(CatalogReference(scope: scope, name: "A")))
    for (subscription, group) in [("cafe\u{301}", "k"), ("caf\u{E9}", "\u{212A}"), ("CAFÉ", "k")] {
      let scope = CatalogScope(subscription: subscription, resourceGroup: group)
      #expect(!grant.includes(CatalogReference(scope: scope, name: "a")), "\(subscription)")
    }
  }

  @Test func `lists of catalogs show those of the token, page by page`() async throws {
    try await ServiceBench.run { bench in
      try await addOther(bench)
      let elsewhere = CatalogReference(
        scope: CatalogScope(subscription: "s", resourceGroup: "g2"), name: "third")
      #expect(try await bench.put(elsewhere.path, "{}").status == .created)
      let all = "/subscriptions/s/providers/Microsoft.AzureSphere/catalogs"
      func names(_ bench: ServiceBench, _ path: String) async throws -> [String] {
        try await bench.get(path).decoded(ResourceList<CatalogResource>.self).value.map(\.name)
      }
      #expect(try await names(bench, all) == ["other", "plant", "third"])
      let missing = CatalogReference(scope: ServiceBench.scope, name: "missing")
      let caller = bench.calling(as: .reader, in: [elsewhere, Self.other, missing])
      #expect(try await names(caller, all) == ["other", "third"])
      #expect(try await names(caller, all + "?api-version=2024-04-01&$skip=1") == ["third"])
      #expect(try await names(caller, ServiceBench.scope.catalogsPath) == ["other"])
      #expect(try await names(bench.calling(as: .reader, in: []), all) == [])
    }
  }

  @Test func `dumps are listed, shown and fetched for the token's catalogs alone`() async throws {
    try await ServiceBench.run { bench in
      try await addOther(bench)
      try await bench.setConsent(.enabled)
      for bootCount in UInt32(1)...3 {
        let dump = sampleDump(key: DumpKey(bootCount: bootCount, sequence: 1))
        #expect(try await bench.upload(dump).status == .created)
      }
      let id = try await bench.dumps()[0].id
      let own = bench.calling(as: .investigator, in: [ServiceBench.catalog, Self.other])
      #expect(try await own.dumps() == bench.dumps())
      #expect(try await own.get(DumpPath.content(id)).status == .ok)

      let caller = callingForOther(bench)
      #expect(try await caller.dumps().isEmpty)
      let asked = try await caller.get(DumpPath.list + "?catalog=plant")
      #expect(asked.status == .forbidden)
      for path in [DumpPath.summary(id), DumpPath.content(id)] {
        let there = try await caller.get(path)
        let absent = try await caller.get(path.replacing(id, with: "us-east-0"))
        #expect(there.status == .forbidden)
        #expect(there.body == absent.body)
      }
      let filtered = DumpPath.list + "?device=\(ServiceBench.device)"
      #expect(try await caller.get(filtered).decoded(DumpList.self).value.isEmpty)
    }
  }

  @Test func `a bridge is told nothing of devices of other catalogs`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let caller = bench.calling(as: .bridge, in: [Self.other])
      let told = try await caller.consents([ServiceBench.device]).decoded(ConsentAnswer.self)
      #expect(told.consents == [.init(isKnown: false, allowed: false, epoch: 0)])
      let own = bench.calling(as: .bridge, in: [ServiceBench.catalog])
      let consents = try await own.consents([ServiceBench.device]).decoded(ConsentAnswer.self)
      #expect(consents.consents.map(\.allowed) == [true])
      #expect(try await own.upload(sampleDump()).status == .created)
    }
  }

  @Test func `nobody provisions or moves a device into a catalog of others`() async throws {
    try await ServiceBench.run { bench in
      try await addOther(bench)
      let caller = bench.calling(as: .roles(Set(Role.allCases), in: [ServiceBench.catalog]))
      #expect(try await caller.offer(Self.other).status == .forbidden)
      let absent = CatalogReference(scope: ServiceBench.scope, name: "absent")
      #expect(try await caller.offer(absent).status == .forbidden)
      #expect(try await caller.provision(ServiceBench.oddDevice).status == .created)
      for group in [Self.otherGroup.path, Self.otherGroup.path + "x"] {
        let moved = try await caller.patch(
          ServiceBench.group.devicePath(ServiceBench.device),
          #"{"properties":{"deviceGroupId":"\#(group)"}}"#)
        #expect(moved.status == .forbidden)
      }
    }
  }
}
