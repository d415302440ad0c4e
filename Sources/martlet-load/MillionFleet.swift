// The catalogs, groups and devices of a million dumps.

import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI

/// Two catalogs: one with nearly everything, and one with a single group.
struct MillionFleet {
  private static let devicesOfGroup = 100
  static let quietCatalog = "quiet"

  let service: ServiceUnderLoad

  /// Makes them over HTTP and looks up the ids that the service gave them.
  func make(in storage: LoadStorage) async throws -> [MillionGroup] {
    var places: [(DeviceGroupReference, RegionalDataBoundary)] = []
    for product in 1...4 {
      for group in 1...5 {
        places.append(
          (
            reference("million", "Product\(product)", "Group\(group)"),
            group % 2 == 1 ? .eu : .unbounded
          ))
      }
    }
    places.append((reference(Self.quietCatalog, "Quiet", "Quiet"), .unbounded))
    var groups: [MillionGroup] = []
    for (reference, boundary) in places {
      let devices = (0..<Self.devicesOfGroup).map { _ in Self.deviceID() }
      try make(reference, boundary, devices)
      groups.append(
        MillionGroup(
          reference: reference, catalogID: "", productID: "", groupID: "", boundary: boundary,
          devices: devices))
    }
    return try await withIDs(groups, storage)
  }

  private func reference(_ catalog: String, _ product: String, _ group: String)
    -> DeviceGroupReference
  {
    DeviceGroupReference(
      product: ProductReference(
        catalog: CatalogReference(scope: CatalogScope(), name: catalog), name: product),
      name: group)
  }

  private static func deviceID() -> String {
    (0..<8).map { _ in
      let word = String(UInt64.random(in: .min ... .max), radix: 16)
      return String(repeating: "0", count: 16 - word.count) + word
    }.joined()
  }

  private func make(
    _ group: DeviceGroupReference, _ boundary: RegionalDataBoundary, _ devices: [String]
  ) throws {
    let properties =
      #"{"properties":{"allowCrashDumpsCollection":"Enabled","regionalDataBoundary":""#
      + boundary.rawValue + #""}}"#
    try service.perform([
      service.request(
        "PUT", group.product.catalog.path, Array(#"{"location":"global"}"#.utf8)),
      service.request("PUT", group.product.path, Array("{}".utf8)),
      service.request("PUT", group.path, Array(properties.utf8)),
      service.json(
        "POST", group.claimDevicesPath, ClaimDevicesRequest(deviceIdentifiers: devices)),
    ])
  }

  /// The API shows no ids of rows.
  private func withIDs(_ groups: [MillionGroup], _ storage: LoadStorage) async throws
    -> [MillionGroup]
  {
    let database = try storage.database(.management)
    let rows = try await database.rows(
      """
      SELECT catalogs.name AS catalog, products.name AS product, deviceGroups.name AS deviceGroup,
        catalogs.id AS catalogId, products.id AS productId, deviceGroups.id AS groupId
      FROM deviceGroups JOIN products ON products.id = productId
      JOIN catalogs ON catalogs.id = catalogId
      """)
    try await database.close()
    var ids: [DeviceGroupReference: SQLRow] = [:]
    for row in rows {
      ids[reference(try row["catalog"], try row["product"], try row["deviceGroup"])] = row
    }
    return try groups.map { group in
      guard let row = ids[group.reference] else {
        throw LoadFailure("the group \(group.reference.path) was not stored")
      }
      var group = group
      group.catalogID = try row["catalogId"]
      group.productID = try row["productId"]
      group.groupID = try row["groupId"]
      return group
    }
  }
}
