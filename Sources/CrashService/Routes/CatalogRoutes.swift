// Catalogs over HTTP.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension CatalogRecord {
  var resource: CatalogResource {
    CatalogResource(
      id: reference.path, name: reference.name, type: "Microsoft.AzureSphere/catalogs",
      location: location, tags: tags,
      systemData: authorship.systemData,
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

struct CatalogRoutes: EndpointGroup {
  /// The path of one catalog.
  static let path = """
    /subscriptions/{subscription}/resourceGroups/{resourceGroup}/providers/Microsoft.AzureSphere\
    /catalogs/{catalog}
    """

  let service: CrashService

  var endpoints: [Endpoint] { lists + resource + counts }

  private var lists: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, "/subscriptions/{subscription}/providers/Microsoft.AzureSphere/catalogs",
        id: "Catalogs_ListBySubscription", "Lists the catalogs of a subscription.", tag: .catalogs,
        access: .init(.readResources, in: .handler), query: ListQuery.parameters,
        answers: [.ok(ResourceList<CatalogResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofCatalogs)
        let found = try await management.catalogs(
          subscription: context.part("subscription"), in: context.principal.catalogs,
          page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
      Endpoint(
        .get,
        """
        /subscriptions/{subscription}/resourceGroups/{resourceGroup}/providers\
        /Microsoft.AzureSphere/catalogs
        """,
        id: "Catalogs_ListByResourceGroup", "Lists the catalogs of a resource group.",
        tag: .catalogs, access: .init(.readResources, in: .handler), query: ListQuery.parameters,
        answers: [.ok(ResourceList<CatalogResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofCatalogs)
        let scope = try context.catalogScope()
        let found = try await management.catalogs(
          subscription: scope.subscription, resourceGroup: scope.resourceGroup,
          in: context.principal.catalogs, page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
    ]
  }

  private var resource: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, Self.path, id: "Catalogs_Get", "Shows a catalog.", tag: .catalogs,
        access: .init(.readResources, in: .catalog), answers: [.ok(CatalogResource.self)]
      ) { _, context in
        try jsonResponse(await management.catalog(context.catalog()).resource)
      },
      Endpoint(
        .put, Self.path, id: "Catalogs_CreateOrUpdate", "Makes or replaces a catalog.",
        tag: .catalogs, access: .init(.writeResources, in: .catalog),
        body: .json(CatalogChange.self),
        answers: [.ok(CatalogResource.self, "Replaced."), .created(CatalogResource.self)]
      ) { request, context in
        let catalog = try context.catalog()
        try ResourceNames.checkCatalog(catalog.name)
        let (record, outcome) = try await management.putCatalog(
          catalog, request.json(CatalogChange.self).checked(), by: context.principal.name)
        return try jsonResponse(record.resource, status: outcome.status)
      },
      Endpoint(
        .patch, Self.path, id: "Catalogs_Update", "Changes a catalog.", tag: .catalogs,
        access: .init(.writeResources, in: .catalog), body: .json(CatalogChange.self),
        answers: [.ok(CatalogResource.self)]
      ) { request, context in
        let record = try await management.patchCatalog(
          context.catalog(), request.json(CatalogChange.self).checked(), by: context.principal.name)
        return try jsonResponse(record.resource)
      },
      Endpoint(
        .delete, Self.path, id: "Catalogs_Delete",
        "Deletes a catalog with all that is in it, and unclaims its devices.", tag: .catalogs,
        access: .init(.writeResources, in: .catalog), answers: EndpointAnswer.deletions
      ) { _, context in
        let catalog = try context.catalog()
        if let id = try await management.findCatalogID(catalog) {
          // The bytes of images first: nobody knows of them afterwards.
          for store in service.dumps.all { try await store.deleteImages(ofCatalog: id) }
        }
        return deletionResponse(try await management.deleteCatalog(catalog))
      },
    ]
  }

  private var counts: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .post, Self.path + "/countDevices", id: "Catalogs_CountDevices",
        "Counts the devices of a catalog.", tag: .catalogs,
        access: .init(.readResources, in: .catalog), answers: [.ok(CountDevicesAnswer.self)]
      ) { _, context in
        let count = try await management.countDevices(in: context.catalog())
        return try jsonResponse(CountDevicesAnswer(value: count))
      }
    ]
  }
}
