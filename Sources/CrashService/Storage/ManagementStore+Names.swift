// The ids behind names and grants, for lists that other databases have.

import SQLStorage
import ServiceAPI

extension ManagementStore {
  /// The ids of the catalogs that a caller may reach; `nil` for all of them.
  func catalogIDs(in grant: CatalogGrant) async throws -> Set<String>? {
    guard case .only(let catalogs) = grant else { return nil }
    return try await read { db in
      Set(try catalogs.compactMap { try CatalogRow.find(db, $0)?.id })
    }
  }

  /// The ids of the catalogs, of the products or of the device groups that have these names.
  func ids(of names: ResourceFilter) async throws -> Set<String> {
    let column: SQLText =
      names.deviceGroup != nil
      ? "deviceGroups.id" : names.product != nil ? "products.id" : "catalogs.id"
    var conditions: [SQLText] = ["\(column) IS NOT NULL"]
    for (table, name) in [
      ("catalogs", names.catalog), ("products", names.product), ("deviceGroups", names.deviceGroup),
    ] {
      guard let name else { continue }
      conditions.append("lower(\(SQLText(raw: table)).name) = \(name.asciiLowercased)")
    }
    let condition = conditions.joined(separator: " AND ")
    return try await read { db in
      let rows = try db.rows(
        """
        SELECT DISTINCT \(column) AS id FROM catalogs
        LEFT JOIN products ON products.catalogId = catalogs.id
        LEFT JOIN deviceGroups ON deviceGroups.productId = products.id
        WHERE \(condition)
        """)
      return Set(try rows.map { try $0["id"] as String })
    }
  }
}
