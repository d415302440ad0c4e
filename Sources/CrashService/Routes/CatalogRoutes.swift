// Catalogs over HTTP.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension CatalogRecord {
  var resource: CatalogResource {
    CatalogResource(
      id: reference.path, name: reference.name, type: "Microsoft.AzureSphere/catalogs",
      location: location, tags: tags,
      systemData: SystemData(createdAt: createdAt, lastModifiedAt: modifiedAt),
      properties: CatalogProperties(tenantId: id))
  }
}

extension WriteOutcome {
  /// The status of a PUT.
  var status: HTTPResponse.Status { self == .created ? .created : .ok }
}

/// Answers 200 when something was deleted and 204 when nothing was there.
func deletionResponse(_ existed: Bool) -> Response {
  Response(status: existed ? .ok : .noContent)
}

struct CatalogRoutes: Sendable {
  /// The path of one catalog.
  static let path: RouterPath = """
    subscriptions/:subscription/resourceGroups/:resourceGroup/providers/Microsoft.AzureSphere\
    /catalogs/:catalog
    """

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.get("subscriptions/:subscription/providers/Microsoft.AzureSphere/catalogs") {
      request, context in
      let page = try request.page()
      let found = try await management.catalogs(
        subscription: try context.part("subscription"), resourceGroup: nil, page: page)
      return try jsonResponse(request.list(found.map(\.resource), page))
    }
    router.get(
      """
      subscriptions/:subscription/resourceGroups/:resourceGroup/providers/Microsoft.AzureSphere\
      /catalogs
      """
    ) { request, context in
      let page = try request.page()
      let scope = try context.catalogScope()
      let found = try await management.catalogs(
        subscription: scope.subscription, resourceGroup: scope.resourceGroup, page: page)
      return try jsonResponse(request.list(found.map(\.resource), page))
    }
    router.group(Self.path)
      .get { _, context in
        try jsonResponse(await management.catalog(context.catalog()).resource)
      }
      .put { request, context in
        let catalog = try context.catalog()
        try ResourceNames.checkCatalog(catalog.name)
        let (record, outcome) = try await management.putCatalog(
          catalog, request.json(CatalogChange.self))
        return try jsonResponse(record.resource, status: outcome.status)
      }
      .patch { request, context in
        let record = try await management.patchCatalog(
          context.catalog(), request.json(CatalogChange.self))
        return try jsonResponse(record.resource)
      }
      .delete { _, context in
        deletionResponse(try await management.deleteCatalog(context.catalog()))
      }
      .post("countDevices") { _, context in
        let count = try await management.countDevices(in: context.catalog())
        return try jsonResponse(CountDevicesAnswer(value: count))
      }
      .post("listDeviceGroups") { request, context in
        let page = try request.page()
        let found = try await management.deviceGroups(in: context.catalog(), page: page)
        return try jsonResponse(request.list(found.map(\.resource), page))
      }
      .post("listDevices") { request, context in
        let page = try request.page()
        let found = try await management.devices(in: context.catalog(), page: page)
        return try jsonResponse(request.list(found.map(\.resource), page))
      }
  }
}
