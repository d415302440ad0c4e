// What the dialects ask of the stores, on both engines.

import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct DialectStoreTests {
  private static let group = ServiceBench.group
  private static let image = "5bb8f5e6-7d28-4b6c-a2d5-0b2f9ac11f01"
  private static let now = Date(timeIntervalSince1970: 1_800_000_000)

  /// A management store with a catalog, a product, its usual groups and a device in one of them.
  private static func with(
    _ engine: SQLEngine, _ body: (ManagementStore, DeviceID) async throws -> Void
  ) async throws {
    let folder = TestFolder()
    let store = try await ManagementStore(
      database: folder.database(engine, "management"), masterKey: ServiceBench.masterKey,
      now: { Self.now })
    _ = try await store.putCatalog(ServiceBench.catalog, CatalogChange(), by: "a")
    _ = try await store.putProduct(ServiceBench.product, ProductChange(), by: "a")
    _ = try await store.putDefaultDeviceGroups(in: ServiceBench.product, by: "a")
    let device = try #require(DeviceID(ServiceBench.device))
    _ = try await store.claim([device], into: group, by: "a")
    try await body(store, device)
    try await store.close()
  }

  private static func page(_ filter: String? = nil, over fields: [FilterField] = []) throws -> Page
  {
    var page = Page(offset: 0, limit: 10)
    page.filter = try filter.map { try ODataFilter($0, over: fields).condition }
    return page
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `the usual groups are made once and found by filter`(engine: SQLEngine) async throws {
    try await Self.with(engine) { store, _ in
      let again = try await store.putDefaultDeviceGroups(in: ServiceBench.product, by: "b")
      #expect(again.map(\.authorship.createdBy) == Array(repeating: "a", count: 5))
      let fields = FilterField.ofDeviceGroups
      for (filter, names) in [
        ("startswith(name,'field')", ["Field Test", "Field Test OS Evaluation"]),
        (
          "osFeedType eq 'retail' and crashDumpRetentionDays eq 29 and not (name eq 'Production')",
          ["Development", "Field Test"]
        ),
        (
          "contains(description,'OS evaluation')",
          ["Field Test OS Evaluation", "Production OS Evaluation"]
        ),
      ] {
        let page = try Self.page(filter, over: fields)
        let inProduct = try await store.deviceGroups(in: ServiceBench.product, page: page)
        #expect(inProduct.map(\.reference.name) == names, "\(filter)")
        let inCatalog = try await store.deviceGroups(in: ServiceBench.catalog, page: page)
        #expect(inCatalog.map(\.reference.name) == names, "\(filter)")
      }
      let named = try await store.deviceGroups(
        in: ServiceBench.catalog, named: "FIELD TEST", page: Self.page())
      #expect(named.map(\.reference.name) == ["Field Test"])
    }
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `catalogs and products are found by filter, and tenants by their ids`(engine: SQLEngine)
    async throws
  {
    try await Self.with(engine) { store, _ in
      let id = try await store.catalogID(ServiceBench.catalog)
      let filter = "tenantId eq '\(id.uppercased())' and location eq 'GLOBAL'"
      let found = try await store.catalogs(
        page: Self.page(filter, over: FilterField.ofCatalogs))
      #expect(found.map(\.id) == [id])
      let products = try await store.products(
        in: ServiceBench.catalog, page: Self.page("name eq 'dw100'", over: FilterField.ofProducts))
      #expect(products.map(\.reference.name) == ["DW100"])
      #expect(try await store.catalog(id: id.uppercased(), in: .all).id == id)
      let groups = try await store.tenantGroups(ofCatalog: id)
      #expect(groups.count == 5)
      let one = try await store.tenantGroup(groups[2].group.id.uppercased(), ofCatalog: id)
      #expect(one.resource == groups[2].resource)
    }
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `images and deployments are kept and deleted`(engine: SQLEngine) async throws {
    try await Self.with(engine) { store, _ in
      let catalog = ServiceBench.catalog
      let digest = Data([1, 2, 3])
      let made = try await store.putImage(
        Self.image, in: catalog, boundary: .unbounded, digest: digest, by: "a")
      #expect(made.1 == .created)
      let again = try await store.putImage(
        Self.image, in: catalog, boundary: .unbounded, digest: digest, by: "b")
      #expect(again.0 == made.0 && again.1 == .replaced)
      let page = try Self.page(
        "regionalDataBoundary eq 'None' and imageId eq '\(Self.image.uppercased())'",
        over: FilterField.ofImages)
      #expect(try await store.images(in: catalog, page: page) == [made.0])
      let ids = [ManagementStore.newID(), ManagementStore.newID()]
      for id in ids {
        _ = try await store.putDeployment(id, of: Self.group, images: [Self.image], by: "a")
      }
      let current = try await store.deployment(".default", of: Self.group)
      #expect(current.id == ids[1] && current.images.map(\.id) == [Self.image])
      let filtered = try Self.page("name eq '\(ids[0])'", over: FilterField.ofDeployments)
      #expect(try await store.deployments(of: Self.group, page: filtered).map(\.id) == [ids[0]])
      let all = try await store.deployments(in: catalog, page: Self.page())
      #expect(all.map(\.id) == ids.reversed())
      #expect(try await store.deviceGroup(Self.group).properties.hasDeployment)
      await #expect(throws: ServiceFailure.self) {
        try await store.deleteImage(Self.image, in: catalog)
      }
      for id in ids { #expect(try await store.deleteDeployment(id, of: Self.group)) }
      #expect(try await !store.deviceGroup(Self.group).properties.hasDeployment)
      #expect(try await store.deleteImage(Self.image, in: catalog)?.0 == .usEast)
    }
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `a certificate is made once and stays`(engine: SQLEngine) async throws {
    try await Self.with(engine) { store, _ in
      let first = try await store.certificate(of: ServiceBench.catalog).0
      let second = try await store.certificate(of: ServiceBench.catalog).0
      #expect(first.der == second.der)
    }
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `crashes without consent are counted once by day`(engine: SQLEngine) async throws {
    try await Self.with(engine) { store, device in
      for nonce in [[1], [1], [2]] as [[UInt8]] {
        try await store.countUncaptured(3, device: device, nonce: nonce)
      }
      let page = try Self.page("eventCount eq 6 and eventClass eq 'app'", over: CrashWindow.fields)
      let windows = try await store.windows(of: ServiceBench.catalog, page: page).windows
      #expect(windows.map(\.count) == [6] && windows.map(\.device) == [device.text])
      try await store.forgetWindows(now: Self.now + 30 * 86_400)
      #expect(
        try await store.windows(of: ServiceBench.catalog, page: Self.page()).windows.isEmpty)
    }
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `a region counts by day what grew, and keeps images`(engine: SQLEngine) async throws {
    let folder = TestFolder()
    let device = try #require(DeviceID(ServiceBench.device))
    let store = try await DumpStore(
      region: .eu, database: folder.database(engine, "eu"),
      keyDatabase: folder.database(engine, "keys"), masterKey: ServiceBench.masterKey)
    let placement = Placement(
      device: device, group: Self.group, catalogID: "c", productID: "p", groupID: "g",
      consent: .enabled, boundary: .eu)
    let fingerprint = "00000000000000aa"
    for (number, elsewhere) in [(5, 0), (5, 0), (7, 6), (9, 8)] as [(UInt32, UInt32)] {
      let count = CountRequest.Count(
        fingerprint: fingerprint, firstBoot: 1, firstUptimeSeconds: nil, lastBoot: number,
        lastUptimeSeconds: nil, count: number)
      try await store.keep(
        [count], of: placement,
        countedElsewhere: [CountName(fingerprint: fingerprint, firstBoot: 1): elsewhere],
        at: Self.now)
    }
    let page = try Self.page("endswith(description,'aa)')", over: CrashWindow.fields)
    let windows = try await store.windows(ofCatalog: "c", page: page)
    #expect(windows.map(\.count) == [5 + 1 + 1])
    try await store.forgetWindows(now: Self.now + 30 * 86_400)
    #expect(try await store.windows(ofCatalog: "c", page: page).isEmpty)

    let content = Data("an image".utf8)
    let digest = Data([1])
    for _ in 0..<2 {
      try await store.putImage(content, as: Self.image, digest: digest, ofCatalog: "c")
    }
    #expect(try await store.image(Self.image, digest: digest, ofCatalog: "c") == content)
    #expect(try await store.image(Self.image, digest: digest, ofCatalog: "d") == nil)
    try await store.deleteImages(ofCatalog: "c")
    #expect(try await store.image(Self.image, digest: digest, ofCatalog: "c") == nil)
    try await store.close()
  }
}
