// Lists by pages and by filter, as clients of the Resource Manager dialect ask for them.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ListTests {
  private static let names = ["Alpha", "Beta", "Delta", "Epsilon", "Gamma"]

  /// A bench with groups of these names beside the two of the bench.
  private static func run(_ body: @escaping @Sendable (ServiceBench) async throws -> Void)
    async throws
  {
    try await ServiceBench.run { bench in
      for name in names {
        let path = ServiceBench.product.deviceGroupsPath + "/" + name
        let json = #"{"properties":{"description":"about \#(name)","osFeedType":"RetailEval"}}"#
        #expect(try await bench.put(path, json).status == .created)
      }
      try await body(bench)
    }
  }

  private static func path(_ list: String, _ query: String) -> String {
    "\(list)?api-version=2024-04-01\(query.isEmpty ? "" : "&")\(query)"
  }

  /// The names on each page, by following `nextLink` as the SDK does: with GET and without a body.
  private static func pages(
    _ bench: ServiceBench, _ list: String, _ query: String, posting body: String? = nil
  ) async throws -> [[String]] {
    var found: [[String]] = []
    var next: String? = path(list, query)
    while let url = next {
      let answer =
        if found.isEmpty, let body {
          try await bench.post(url, body)
        } else {
          try await bench.get(url)
        }
      #expect(answer.status == .ok, "\(answer.message)")
      let page = try answer.decoded(ResourceList<DeviceGroupResource>.self)
      found.append(page.value.map(\.name))
      next = page.nextLink.map { String($0.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" }) }
      #expect(found.count < 20)
    }
    return found
  }

  private static let all = ["Alpha", "Beta", "Delta", "Epsilon", "Field Test", "Gamma", "Other"]

  private static let queries: [(query: String, pages: [[String]])] = [
    ("", [all]), ("$maxpagesize=1000", [all]),
    ("$maxpagesize=3", [Array(all[0..<3]), Array(all[3..<6]), Array(all[6...])]),
    ("$maxpagesize=7", [all]), ("$top=3", [Array(all[0..<3])]), ("$top=7", [all]),
    ("$top=3&$maxpagesize=2", [Array(all[0..<2]), Array(all[2..<3])]),
    ("$top=4&$maxpagesize=2", [Array(all[0..<2]), Array(all[2..<4])]), ("$top=0", [[]]),
    ("$skip=5", [Array(all[5...])]), ("$skip=7", [[]]), ("$skip=2147483647", [[]]),
    ("%24skip=5&%24maxpagesize=1", [[all[5]], [all[6]]]),
    ("$filter=osFeedType+eq+'Retail'&$maxpagesize=1", [["Field Test"], ["Other"]]),
    (
      "$filter=contains(name,'a')%20and%20not%20(name%20eq%20'Beta')",
      [["Alpha", "Delta", "Gamma"]]
    ),
    ("$filter=name%20eq%20'field%20test'", [["Field Test"]]),
    ("$filter=properties/description%20eq%20'about%20Beta'", [["Beta"]]),
  ]

  @Test(arguments: queries)
  func `pages hold what was asked for and nothing twice`(query: String, pages: [[String]])
    async throws
  {
    try await Self.run { bench in
      let product = ServiceBench.product.deviceGroupsPath
      let found = try await Self.pages(bench, product, query)
      #expect(found == pages)
      let catalog = ServiceBench.catalog.listDeviceGroupsPath
      #expect(try await Self.pages(bench, catalog, query, posting: "") == pages)
    }
  }

  @Test func `the pages of a named list keep to the name`() async throws {
    try await Self.run { bench in
      let other = ProductReference(catalog: ServiceBench.catalog, name: "DW200")
      #expect(try await bench.put(other.path, "{}").status == .created)
      #expect(try await bench.put(other.deviceGroupsPath + "/Beta", "{}").status == .created)
      let list = ServiceBench.catalog.listDeviceGroupsPath
      let found = try await Self.pages(
        bench, list, "$maxpagesize=1", posting: #"{"deviceGroupName":"beta"}"#)
      #expect(found == [["Beta"], ["Beta"]])
      #expect(try await Self.pages(bench, list, "", posting: #"{"deviceGroupName":"x"}"#) == [[]])
      let wrong = try await bench.post(list, #"{"deviceGroupName":1}"#)
      #expect(wrong.code == "InvalidRequestContent")
    }
  }

  @Test(arguments: [
    ("$top=-1", "$top"), ("$top=x", "$top"), ("$top=", "$top"), ("$top=2147483648", "$top"),
    ("$skip=+1", "$skip"), ("$skip=1.0", "$skip"), ("$maxpagesize=0", "$maxpagesize"),
    ("$filter=%ZZ", "$filter"), ("$filter=%C3", "$filter"), ("$filter=", "$filter"),
    ("$filter=tags%20eq%20'x'", "$filter"),
  ])
  func `a query that makes no sense is refused by name`(query: String, target: String)
    async throws
  {
    try await ServiceBench.run { bench in
      for list in [
        ServiceBench.scope.catalogsPath, ServiceBench.scope.everyCatalogPath,
        ServiceBench.catalog.productsPath, ServiceBench.product.deviceGroupsPath,
        ServiceBench.group.devicesPath, ServiceBench.catalog.listDevicesPath,
      ] {
        let answer = try await bench.get(Self.path(list, query))
        #expect(answer.status == .badRequest, "\(list)")
        let error = try answer.decoded(ServiceErrorBody.self).error
        #expect(error.target == target && error.code == "InvalidRequest")
      }
    }
  }

  @Test func `devices are found by their ids`() async throws {
    try await ServiceBench.run { bench in
      _ = try await bench.claim(ServiceBench.oddDevice, into: ServiceBench.otherGroup)
      let filter = "$filter=deviceId%20eq%20'\(ServiceBench.oddDevice.uppercased())'"
      let list = try await bench.post(Self.path(ServiceBench.catalog.listDevicesPath, filter))
        .decoded(ResourceList<DeviceResource>.self)
      #expect(list.value.map(\.name) == [ServiceBench.oddDevice])
      let group = try await bench.get(Self.path(ServiceBench.group.devicesPath, filter))
        .decoded(ResourceList<DeviceResource>.self)
      #expect(group.value.isEmpty)
    }
  }

  @Test func `whoever may see some catalogs pages over those alone`() async throws {
    try await ServiceBench.run { bench in
      for name in ["a", "b", "c", "plant2"] {
        let path = CatalogReference(scope: ServiceBench.scope, name: name).path
        #expect(try await bench.put(path, "{}").status == .created)
      }
      let granted = ["B", "plant", "missing"].map {
        CatalogReference(scope: ServiceBench.scope, name: $0)
      }
      let reader = bench.calling(as: .reader, in: granted)
      let list = ServiceBench.scope.everyCatalogPath
      let first = try await reader.get(Self.path(list, "$maxpagesize=1"))
        .decoded(ResourceList<CatalogResource>.self)
      #expect(first.value.map(\.name) == ["b"])
      let second = try await reader.get(Self.path(list, "$maxpagesize=1&$skip=1"))
        .decoded(ResourceList<CatalogResource>.self)
      #expect(second.value.map(\.name) == ["plant"] && second.nextLink == nil)
      let nobody = try await bench.calling(as: .reader, in: []).get(list)
        .decoded(ResourceList<CatalogResource>.self)
      #expect(nobody.value.isEmpty)
    }
  }
}
