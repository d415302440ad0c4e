// Products over HTTP.

import Hummingbird
import ServiceAPI

extension ProductRecord {
  var resource: ProductResource {
    ProductResource(
      id: reference.path, name: reference.name, type: "Microsoft.AzureSphere/catalogs/products",
      systemData: authorship.systemData,
      properties: ProductProperties(description: description))
  }
}

struct ProductRoutes: EndpointGroup {
  /// The path of one product.
  static let path = CatalogRoutes.path + "/products/{product}"

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, CatalogRoutes.path + "/products", id: "Products_ListByCatalog",
        "Lists the products of a catalog.", tag: .products,
        access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<ProductResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofProducts)
        let found = try await management.products(in: context.catalog(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
      Endpoint(
        .get, Self.path, id: "Products_Get", "Shows a product.", tag: .products,
        access: .init(.readResources, in: .catalog), answers: [.ok(ProductResource.self)]
      ) { _, context in
        try jsonResponse(await management.product(context.product()).resource)
      },
      Endpoint(
        .put, Self.path, id: "Products_CreateOrUpdate", "Makes or replaces a product.",
        tag: .products, access: .init(.writeResources, in: .catalog),
        body: .json(ProductChange.self),
        answers: [.ok(ProductResource.self, "Replaced."), .created(ProductResource.self)]
      ) { request, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        let (record, outcome) = try await management.putProduct(
          product, request.json(ProductChange.self).checked(), by: context.principal.name)
        return try jsonResponse(record.resource, status: outcome.status)
      },
      Endpoint(
        .patch, Self.path, id: "Products_Update", "Changes a product.", tag: .products,
        access: .init(.writeResources, in: .catalog), body: .json(ProductChange.self),
        answers: [.ok(ProductResource.self)]
      ) { request, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        let record = try await management.patchProduct(
          product, request.json(ProductChange.self).checked(), by: context.principal.name)
        return try jsonResponse(record.resource)
      },
      Endpoint(
        .post, Self.path + "/generateDefaultDeviceGroups",
        id: "Products_GenerateDefaultDeviceGroups",
        "Makes those of the five usual device groups that the product has not, and lists all five.",
        tag: .products, access: .init(.writeResources, in: .catalog),
        answers: [.ok(ResourceList<DeviceGroupResource>.self)]
      ) { _, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        let found = try await management.putDefaultDeviceGroups(
          in: product, by: context.principal.name)
        return try jsonResponse(ResourceList(value: found.map(\.resource)))
      },
      Endpoint(
        .delete, Self.path, id: "Products_Delete", "Deletes a product without devices.",
        tag: .products, access: .init(.writeResources, in: .catalog),
        answers: EndpointAnswer.deletions, refusals: [.conflict]
      ) { _, context in
        let product = try context.product()
        try ResourceNames.checkProduct(product.name)
        return deletionResponse(try await management.deleteProduct(product))
      },
      Endpoint(
        .post, Self.path + "/countDevices", id: "Products_CountDevices",
        "Counts the devices of a product.", tag: .products,
        access: .init(.readResources, in: .catalog), answers: [.ok(CountDevicesAnswer.self)]
      ) { _, context in
        let count = try await management.countDevices(in: context.product())
        return try jsonResponse(CountDevicesAnswer(value: count))
      },
    ]
  }
}
