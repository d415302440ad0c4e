// Lists over everything in a catalog, which are asked for with POST.

import HTTPTypes
import Hummingbird
import ServiceAPI

struct CatalogListRoutes: EndpointGroup {
  /// Where a `nextLink` keeps what the body of the first request said.
  static let nameParameter = EndpointParameter(
    "deviceGroupName", .string, "The groups' name; what the body says goes before it.")

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return listing(
      "DeviceGroups", "Lists the device groups of all products of a catalog.",
      DeviceGroupResource.self, body: ListDeviceGroupsRequest.self, more: [Self.nameParameter]
    ) { request, context in
      let query = try ListQuery(request, over: FilterField.ofDeviceGroups)
      let asked = try await request.jsonIfAny(ListDeviceGroupsRequest.self)?.deviceGroupName
      let name = try asked ?? request.queryValue(Self.nameParameter.name)
      let found = try await management.deviceGroups(
        in: context.catalog(), named: name, page: query.page)
      return try jsonResponse(
        query.list(
          found.map(\.resource), of: request,
          carrying: name.map { [(Self.nameParameter.name, $0)] } ?? []))
    }
      + listing("Devices", "Lists the devices of a catalog.", DeviceResource.self) {
        request, context in
        let query = try ListQuery(request, over: FilterField.ofDevices)
        let found = try await management.devices(in: context.catalog(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      }
      + listing(
        "Deployments", "Lists the deployments of a catalog's device groups, the latest first.",
        DeploymentResource.self
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofDeployments)
        let found = try await management.deployments(in: context.catalog(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      }
      + listing(
        "DeviceInsights", "Lists what a catalog's devices report of crashes, the latest first.",
        DeviceInsight.self
      ) { request, context in
        let query = try ListQuery(request, over: CrashWindow.fields)
        let found = try await service.insights(of: context.catalog(), page: query.page)
        return try jsonResponse(query.list(found, of: request))
      }
  }

  /// A list, as POST and for the SDK, which asks for the pages after the first one with GET.
  private func listing<Item: Codable & Equatable & Sendable>(
    _ name: String, _ summary: String, _ type: Item.Type,
    body: (any (Codable & Sendable).Type)? = nil, more: [EndpointParameter] = [],
    handler: @escaping Endpoint.Handler
  ) -> [Endpoint] {
    [(HTTPRequest.Method.post, "", body), (.get, "Page", nil)].map { method, suffix, body in
      Endpoint(
        method, CatalogRoutes.path + "/list" + name, id: "Catalogs_List\(name)\(suffix)", summary,
        tag: .catalogs, access: .init(.readResources, in: .catalog),
        query: ListQuery.parameters + more, body: body.map { .json($0) },
        answers: [.ok(ResourceList<Item>.self)], handler: handler)
    }
  }
}
