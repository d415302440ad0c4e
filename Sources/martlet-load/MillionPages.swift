// Pages of lists and counts over a million dumps, each timed.

import Foundation
import MartletTestKit
import ServiceAPI

/// Asks for pages one after the other over one connection.
struct MillionPages {
  let service: ServiceUnderLoad
  let groups: [MillionGroup]
  /// Milliseconds since 1970.
  let oldest: Int64
  let newest: Int64

  /// A page and how it is asked for.
  private struct Page {
    var name: String
    var request: [UInt8]
  }

  /// Asks for every page.
  /// - Returns: milliseconds of the slowest page of dumps or counts, and of insights.
  func slowest(times: Int) throws -> (page: Double, insights: Double) {
    progress("asking for pages of lists")
    let listed = try slowest(try lists(), times)
    let followed = try follow(pages: 100)
    progress("asking for counts")
    let counted = try slowest(counts(), times)
    progress("asking for insights")
    let insights = try slowest(insights(), times)
    return (max(listed, followed, counted), insights)
  }

  /// The slowest of all; says which were slowest of their kind.
  private func slowest(_ pages: [Page], _ times: Int) throws -> Double {
    let connection = try LoadConnection(port: service.port)
    var slowest: [String: Double] = [:]
    for _ in 0..<times {
      for page in pages {
        let (answer, milliseconds) = try connection.ask(page.request)
        guard answer.status == 200 else {
          throw LoadFailure(
            "\(page.name): the service answered \(answer.status): "
              + String(decoding: answer.body.prefix(500), as: UTF8.self))
        }
        slowest[page.name] = max(slowest[page.name] ?? 0, milliseconds)
      }
    }
    for (name, most) in slowest.sorted(by: { $0.value > $1.value }).prefix(12) {
      progress("  \(name): \(String(format: "%.1f", most)) ms")
    }
    return slowest.values.max() ?? 0
  }

  /// Follows `nextLink` from the first page on.
  private func follow(pages: Int) throws -> Double {
    let connection = try LoadConnection(port: service.port)
    var path: String? = DumpPath.list
    var slowest = 0.0
    for _ in 0..<pages {
      guard let next = path else { break }
      let (answer, milliseconds) = try connection.ask(service.request("GET", next))
      slowest = max(slowest, milliseconds)
      let list = try ServiceJSON.decoder().decode(DumpList.self, from: Data(answer.body))
      guard !list.value.isEmpty else { throw LoadFailure("a page on the way is empty") }
      path = list.nextLink.flatMap { link in
        link.range(of: "/martlet/").map { String(link[$0.lowerBound...]) }
      }
    }
    progress("  following nextLink: \(String(format: "%.1f", slowest)) ms")
    return slowest
  }

  // MARK: - What is asked for

  private func lists() throws -> [Page] {
    var filters: [(String, String)] = [("all", "")]
    for catalog in Set(groups.map(\.reference.product.catalog.name)).sorted() {
      filters.append(("catalog \(catalog)", "catalog=\(catalog)"))
    }
    for product in Set(groups.map(\.reference.product.name)).sorted() {
      filters.append(("a product", "product=\(product)"))
    }
    for group in Set(groups.map(\.reference.name)).sorted() {
      filters.append(("a name of groups", "deviceGroup=\(group)"))
    }
    for group in groups {
      let place = "product=\(group.reference.product.name)&deviceGroup=\(group.reference.name)"
      filters.append(("a group", place))
      let device = group.devices[7]
      filters.append(("a device", "device=\(device)"))
      filters.append(("a device in its group", "\(place)&device=\(device)"))
    }
    if let loud = groups.first?.devices.first {
      filters.append(("the loud device", "device=\(loud)"))
      let catalog = groups[0].reference.product.catalog.name
      filters.append(("the loud device in its catalog", "catalog=\(catalog)&device=\(loud)"))
    }
    let nobody = String(repeating: "0", count: 127) + "1"
    filters.append(("a device without dumps", "device=\(nobody)"))
    let quiet = try service.makeToken(["reader"], catalogs: [MillionFleet.quietCatalog])
    let most = try service.makeToken(["reader"], catalogs: ["million"])
    return filters.flatMap { name, filter in
      [0, 1, 50, 99, 100].map { (percent: Int64) in
        let query = [filter, Self.skip(to: time(percent), percent)].filter { !$0.isEmpty }
          .joined(separator: "&")
        let path = DumpPath.list + (query.isEmpty ? "" : "?\(query)")
        return Page(
          name: "\(name), \(percent) % down", request: service.request("GET", path))
      }
    } + [
      Page(
        name: "all of a scoped login's small catalog",
        request: service.request("GET", DumpPath.list, token: quiet)),
      Page(
        name: "all of a scoped login's large catalog",
        request: service.request("GET", DumpPath.list, token: most)),
    ]
  }

  /// A time so far down the list, newest first.
  private func time(_ percent: Int64) -> Int64 { newest - (newest - oldest) / 100 * percent }

  /// As a `nextLink` names the place.
  private static func skip(to time: Int64, _ percent: Int64) -> String {
    guard percent > 0 else { return "" }
    return "$skipToken=\(time)_us-east-ffffffff-ffff-7fff-8fff-ffffffffffff"
  }

  private func counts() -> [Page] {
    let some = groups[0].reference
    return [
      Page(
        name: "counts of all regions", request: service.request("GET", RetentionPath.report)),
      Page(
        name: "devices of a catalog",
        request: service.request("POST", some.product.catalog.countDevicesPath)),
      Page(
        name: "devices of a product",
        request: service.request("POST", some.product.countDevicesPath)
      ),
      Page(name: "devices of a group", request: service.request("POST", some.countDevicesPath)),
      Page(
        name: "crashes of the loud device",
        request: service.request("GET", DeviceCrashesPath.crashes(device: groups[0].devices[0]))),
    ]
  }

  private func insights() -> [Page] {
    let path = groups[0].reference.product.catalog.path + "/listDeviceInsights"
    let loud = groups[0].devices[0]
    return [
      ("insights", ""), ("insights, 10,000 down", "?$skip=10000"),
      ("insights, 500,000 down", "?$skip=500000"),
      ("insights of a device", "?$filter=deviceId%20eq%20'\(loud)'"),
      ("insights by their count", "?$filter=eventCount%20eq%2040"),
      ("insights by their words", "?$filter=contains(description,'00000031')"),
    ].map { Page(name: $0, request: service.request("POST", path + $1)) }
  }
}
