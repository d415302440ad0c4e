// Images over HTTP: taken in, written down, and kept in the region of their boundary.

import Crypto
import DumpFormat
import Foundation
import HTTPTypes
import Hummingbird
import ServiceAPI

struct ImageRoutes: EndpointGroup {
  static let listPath = CatalogRoutes.path + "/images"
  /// The path of one image.
  static let path = listPath + "/{image}"
  /// The largest image, bytes: a slot of the boards' flash.
  static let largestImage = 4 << 20
  /// The same in base64, and a little around it.
  private static let body = EndpointBody(
    content: .json(ImagePut.self), limit: largestImage / 3 * 4 + 4096)

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, Self.listPath, id: "Images_ListByCatalog", "Lists the images of a catalog.",
        tag: .images, access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<ImageResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofImages)
        let found = try await management.images(in: context.catalog(), page: query.page)
        return try jsonResponse(query.list(found, of: request))
      },
      Endpoint(
        .get, Self.path, id: "Images_Get", "Shows an image without its bytes.", tag: .images,
        access: .init(.readResources, in: .catalog), answers: [.ok(ImageResource.self)]
      ) { _, context in
        try jsonResponse(
          await management.image(context.part("image"), in: context.catalog()))
      },
      Endpoint(
        .put, Self.path, id: "Images_CreateOrUpdate", "Stores an image under an id.",
        tag: .images, access: .init(.writeResources, in: .catalog), body: Self.body,
        answers: [.ok(ImageResource.self, "Was there."), .created(ImageResource.self)],
        refusals: [.conflict]
      ) { request, context in
        let put = try await request.json(ImagePut.self, upTo: Self.body.limit).properties
        let id = try ResourceNames.guid(context.part("image"), of: "image", target: "image")
        if let named = put.imageId, named.lowercased() != id {
          throw ServiceFailure.invalid(
            "The body is about another image than the path.", target: "properties.imageId")
        }
        let (image, outcome) = try await store(put, as: id, context)
        return try jsonResponse(image, status: outcome.status)
      },
      Endpoint(
        .post, CatalogRoutes.path + "/uploadImage", id: "Catalogs_UploadImage",
        "Stores an image under an id that is made of its bytes.", tag: .images,
        access: .init(.writeResources, in: .catalog), body: Self.body,
        answers: [.init(.accepted, nil, "Begun: Location says where to ask for the end.")],
        refusals: [.conflict]
      ) { request, context in
        let put = try await request.json(ImagePut.self, upTo: Self.body.limit).properties
        let id = try put.imageId.map {
          try ResourceNames.guid($0, of: "image", target: "properties.imageId")
        }
        _ = try await store(put, as: id, context)
        return OperationRoutes.accepted(
          try await management.beginOperation(), request, context)
      },
      Endpoint(
        .delete, Self.path, id: "Images_Delete", "Deletes an image that is in no deployment.",
        tag: .images, access: .init(.writeResources, in: .catalog),
        answers: EndpointAnswer.deletions, refusals: [.conflict]
      ) { _, context in
        let id = try context.part("image").lowercased()
        guard let (region, catalog) = try await management.deleteImage(id, in: context.catalog())
        else { return deletionResponse(false) }
        try await service.dumps[region].deleteImages(id, ofCatalog: catalog)
        return deletionResponse(true)
      },
    ]
  }

  /// - Parameter id: a GUID; made of the bytes when absent, so that the same bytes have the same.
  private func store(_ put: ImagePut.Properties, as id: String?, _ context: ServiceContext)
    async throws -> (ImageResource, WriteOutcome)
  {
    guard let content = Data(base64Encoded: put.image), !content.isEmpty else {
      throw ServiceFailure(
        .badRequest, code: "InvalidRequestContent",
        message: "'properties.image' is the image's bytes in base64.", target: "properties.image")
    }
    guard content.count <= Self.largestImage else {
      throw ServiceFailure.tooLarge(limit: Self.largestImage)
    }
    let catalog = try context.catalog()
    let catalogID = try await service.management.catalogID(catalog)
    let digest = Data(SHA256.hash(data: content))
    let boundary = put.regionalDataBoundary ?? .unbounded
    // The bytes first: an image that is shown is there.
    let id = id ?? Self.id(of: digest)
    try await service.dumps[ImageRow.region(of: boundary)].putImage(
      content, as: id, digest: digest, ofCatalog: catalogID)
    let stored = try await service.management.putImage(
      id, in: catalog, boundary: boundary, digest: digest, by: context.principal.name)
    context.logger.notice(
      "image stored",
      metadata: [
        "image": "\(id)", "catalog": "\(catalog.path)", "size": "\(content.count)",
        "regionalDataBoundary": "\(boundary.rawValue)",
      ])
    return stored
  }

  /// A GUID of version 8 (RFC 9562): the first bytes of a digest.
  private static func id(of digest: Data) -> String {
    var bytes = Array(digest.prefix(16))
    bytes[6] = bytes[6] & 0x0F | 0x80
    bytes[8] = bytes[8] & 0x3F | 0x80
    return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { bytes[$0].hexDigits }
      .joined(separator: "-")
  }
}
