// The rows of images and deployments.

import Foundation
import SQLStorage
import ServiceAPI

struct ImageRow: Sendable {
  /// A GUID.
  var id: String
  var catalogId: String
  var regionalDataBoundary: RegionalDataBoundary
  /// SHA-256 of the bytes.
  var digest: Data
  var authorship: Authorship

  /// Where the bytes are. Without a boundary they are in East US.
  static func region(of boundary: RegionalDataBoundary) -> Region {
    boundary == .eu ? .eu : .usEast
  }

  func resource(in catalog: CatalogReference) -> ImageResource {
    ImageResource(
      id: "\(catalog.path)/images/\(id)", name: id, type: "Microsoft.AzureSphere/catalogs/images",
      systemData: authorship.systemData,
      properties: ImageProperties(imageId: id, regionalDataBoundary: regionalDataBoundary))
  }

  static func find(_ db: any SQLConnection, _ id: String, in catalog: CatalogRow) throws
    -> ImageRow?
  {
    try db.row(
      "SELECT * FROM images WHERE catalogId = \(catalog.id) AND id = \(id.asciiLowercased)"
    ).map { try ImageRow($0) }
  }
}

extension ImageRow {
  init(_ row: SQLRow) throws {
    id = try row["id"]
    catalogId = try row["catalogId"]
    // A word that is not known: nobody may take it for one of the United States.
    regionalDataBoundary = RegionalDataBoundary(rawValue: try row["regionalDataBoundary"]) ?? .eu
    digest = try row["digest"]
    authorship = try Authorship(row)
  }
}

extension FilterField {
  static let ofImages = [
    FilterField("name", .lowercase, "images.id"), FilterField("imageId", .lowercase, "images.id"),
    FilterField("imageName", .lowercase, "images.id"),
    FilterField("regionalDataBoundary", RegionalDataBoundary.self, "regionalDataBoundary"),
  ]

  static let ofDeployments = [
    FilterField("name", .lowercase, "deployments.id"),
    FilterField("deploymentId", .lowercase, "deployments.id"),
  ]
}

/// A deployment with the group that it is of.
struct DeploymentRecord: Sendable {
  /// A GUID.
  var id: String
  var group: DeviceGroupReference
  var images: [ImageRow]
  var authorship: Authorship

  var resource: DeploymentResource {
    DeploymentResource(
      id: "\(group.path)/deployments/\(id)", name: id,
      type: "Microsoft.AzureSphere/catalogs/products/deviceGroups/deployments",
      systemData: authorship.systemData,
      properties: DeploymentProperties(
        deploymentId: id, deployedImages: images.map { $0.resource(in: group.product.catalog) },
        deploymentDateUtc: date(milliseconds: authorship.createdAt)))
  }
}
