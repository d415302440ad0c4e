// Deployments: which images the devices of a group are to run.

import Foundation
import SQLStorage
import ServiceAPI

extension ManagementStore {
  /// The name that stands for a new deployment, and for the latest one.
  static let currentDeployment = ".default"

  /// Writes down a deployment.
  /// - Parameters:
  ///   - id: a GUID.
  ///   - images: ids of images that the catalog has.
  /// - Throws: ``ServiceFailure`` with 404 for an image that is not there, and with 409 for one beyond the
  ///   group's boundary and when another deployment has the id.
  func putDeployment(
    _ id: String, of group: DeviceGroupReference, images: [String], by author: String
  ) async throws -> (DeploymentRecord, WriteOutcome) {
    try await write { db, now in
      let place = try LocatedGroup.require(db, group)
      let found = try images.map { id in
        guard let image = try ImageRow.find(db, id, in: place.catalog) else {
          throw ServiceFailure.noImage(id)
        }
        guard image.regionalDataBoundary.rawValue == place.group.regionalDataBoundary else {
          throw ServiceFailure.conflict(
            code: "ImageOutsideBoundary",
            "The image '\(image.id)' is kept for the boundary "
              + "\(image.regionalDataBoundary.rawValue), and the device group's is "
              + "\(place.group.regionalDataBoundary). Upload it for that boundary.",
            target: image.id)
        }
        return image
      }
      if let stored = try Self.deployments(db, of: place, "deployments.id = \(id)").first {
        guard stored.images.map(\.id) == found.map(\.id) else {
          throw ServiceFailure.conflict(
            code: "DeploymentExists",
            "The device group has another deployment '\(id)'. A deployment is never changed: give the "
              + "new one an id of its own.",
            target: id)
        }
        return (stored, .replaced)
      }
      let record = DeploymentRecord(
        id: id, group: place.reference, images: found, authorship: Authorship(by: author, at: now))
      try Self.insert(db, record, place)
      return (record, .created)
    }
  }

  private static func insert(
    _ db: any SQLConnection, _ record: DeploymentRecord, _ place: LocatedGroup
  ) throws {
    let last: Int64? = try db.value(
      "SELECT max(number) AS value FROM deployments WHERE deviceGroupId = \(place.group.id)")
    try db.run(
      """
      INSERT INTO deployments (deviceGroupId, id, number, \(Authorship.columns))
      VALUES (\(place.group.id), \(record.id), \((last ?? 0) + 1), \(record.authorship.values))
      """)
    try noteDeployments(db, of: place)
    for (number, image) in record.images.enumerated() {
      try db.run(
        """
        INSERT INTO deployedImages (deviceGroupId, deploymentId, place, catalogId, imageId)
        VALUES (\(place.group.id), \(record.id), \(number), \(place.catalog.id), \(image.id))
        """)
    }
  }

  /// - Parameter id: a GUID, or ``currentDeployment`` for the latest.
  func deployment(_ id: String, of group: DeviceGroupReference) async throws -> DeploymentRecord {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      let condition: SQLText =
        id == Self.currentDeployment ? "1 = 1" : "deployments.id = \(id.asciiLowercased)"
      guard let found = try Self.deployments(db, of: place, condition).first else {
        throw ServiceFailure.notFound(
          "The deployment", String(id.prefix(60)),
          hint: "The device group '\(place.group.name)' has none of that id.")
      }
      return found
    }
  }

  /// The latest first.
  func deployments(of group: DeviceGroupReference, page: Page) async throws -> [DeploymentRecord] {
    try await read { db in
      let place = try LocatedGroup.require(db, group)
      return try Self.deployments(db, of: place, "1 = 1\(page.condition)", page.sql)
    }
  }

  /// Those of all groups of a catalog, group by group, the latest of each first.
  func deployments(in catalog: CatalogReference, page: Page) async throws -> [DeploymentRecord] {
    try await read { db in
      let row = try CatalogRow.require(db, catalog)
      return try db.rows(
        """
        SELECT deployments.deviceGroupId AS groupId, deployments.id AS deploymentId
        FROM deployments JOIN deviceGroups ON deviceGroups.id = deployments.deviceGroupId
        JOIN products ON products.id = productId WHERE catalogId = \(row.id)\(page.condition)
        ORDER BY lower(products.name), lower(deviceGroups.name), number DESC \(page.sql)
        """
      ).compactMap {
        let id: String = try $0["deploymentId"]
        guard let place = try LocatedGroup.find(db, groupID: $0["groupId"]) else { return nil }
        return try Self.deployments(db, of: place, "deployments.id = \(id)").first
      }
    }
  }

  /// False when there was none.
  func deleteDeployment(_ id: String, of group: DeviceGroupReference) async throws -> Bool {
    try await write { db, _ in
      let place = try LocatedGroup.require(db, group)
      let deleted = try db.run(
        """
        DELETE FROM deployments
        WHERE deviceGroupId = \(place.group.id) AND id = \(id.asciiLowercased)
        """)
      try Self.noteDeployments(db, of: place)
      return deleted > 0
    }
  }

  /// Writes down in a group whether it has deployments.
  private static func noteDeployments(_ db: any SQLConnection, of place: LocatedGroup) throws {
    let count: Int? = try db.value(
      "SELECT count(*) AS value FROM deployments WHERE deviceGroupId = \(place.group.id)")
    try db.run(
      """
      UPDATE deviceGroups SET hasDeployment = \((count ?? 0) > 0) WHERE id = \(place.group.id)
      """)
  }

  private static func deployments(
    _ db: any SQLConnection, of place: LocatedGroup, _ condition: SQLText, _ window: SQLText = ""
  ) throws -> [DeploymentRecord] {
    try db.rows(
      """
      SELECT * FROM deployments WHERE deviceGroupId = \(place.group.id) AND \(condition)
      ORDER BY number DESC \(window)
      """
    ).map { row in
      let id: String = try row["id"]
      let images = try db.rows(
        """
        SELECT images.* FROM deployedImages
        JOIN images ON images.catalogId = deployedImages.catalogId AND images.id = imageId
        WHERE deviceGroupId = \(place.group.id) AND deploymentId = \(id) ORDER BY place
        """)
      return DeploymentRecord(
        id: id, group: place.reference, images: try images.map { try ImageRow($0) },
        authorship: try Authorship(row))
    }
  }
}
