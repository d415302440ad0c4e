// Products over HTTP.

import Hummingbird
import ServiceAPI

extension ProductRecord {
  var resource: ProductResource {
    ProductResource(
      id: reference.path, name: reference.name, type: "Microsoft.AzureSphere/catalogs/products",
      systemData: SystemData(createdAt: createdAt, lastModifiedAt: modifiedAt),
      properties: ProductProperties(description: description))
  }
}

struct ProductRoutes: Sendable {
  /// The path of one product.
  static let path = CatalogRoutes.path.appendingPath("products/:product")

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.get(CatalogRoutes.path.appendingPath("products")) { request, context in
      let page = try request.page()
      let found = try await management.products(in: context.catalog(), page: page)
      return try jsonResponse(request.list(found.map(\.resource), page))
    }
    router.group(Self.path)
      .get { _, context in
        try jsonResponse(await management.product(context.product()).resource)
      }
      .put { request, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        let (record, outcome) = try await management.putProduct(
          product, request.json(ProductChange.self))
        return try jsonResponse(record.resource, status: outcome.status)
      }
      .patch { request, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        let record = try await management.patchProduct(product, request.json(ProductChange.self))
        return try jsonResponse(record.resource)
      }
      .delete { _, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        return deletionResponse(try await management.deleteProduct(product))
      }
      .post("countDevices") { _, context in
        let count = try await management.countDevices(in: context.product())
        return try jsonResponse(CountDevicesAnswer(value: count))
      }
  }
}
