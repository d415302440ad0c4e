// Stored dumps over HTTP.

import HTTPTypes
import Hummingbird
import NIOCore
import ServiceAPI

struct DumpRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    let dumps = service.dumps
    return [
      Endpoint(
        .get, DumpPath.list, id: "Dumps_List", "Lists stored dumps, newest first.", tag: .dumps,
        access: .init(.readResources, in: .handler),
        query: [
          EndpointParameter("catalog", .string, "The name of a catalog."),
          EndpointParameter("product", .string, "The name of a product."),
          EndpointParameter("deviceGroup", .string, "The name of a device group."),
          EndpointParameter("device", .string, "A device id, 128 hex digits."), .skipToken,
        ],
        answers: [.ok(DumpList.self)]
      ) { request, context in
        let filter = try await filter(request, for: context.principal)
        let (page, next) = try await dumps.list(
          filter, after: cursor(request), limit: CrashService.pageSize, now: service.now())
        return try jsonResponse(
          DumpList(
            value: page,
            nextLink: next.map {
              request.link(replacing: [("$skipToken", "\($0.receivedAt)_\($0.id)")])
            }))
      },
      Endpoint(
        .get, DumpPath.summary("{dump}"), id: "Dumps_Get",
        "Shows what is known of a dump without its contents.", tag: .dumps,
        access: .init(.readResources, in: .handler), answers: [.ok(DumpSummary.self)]
      ) { _, context in try jsonResponse(try await summary(context)) },
      Endpoint(
        .get, DumpPath.content("{dump}"), id: "Dumps_GetContent", "Fetches a dump.", tag: .dumps,
        access: .init(.readDumpContents, in: .handler),
        answers: [EndpointAnswer(.ok, .bytes, "The dump as it was on the device.")]
      ) { _, context in
        let id = try await summary(context).id
        guard let content = try await dumps.content(id, now: service.now()) else {
          throw unknown(id)
        }
        return Response(
          status: .ok,
          headers: [.contentType: "application/octet-stream", .cacheControl: "no-store"],
          body: ResponseBody(byteBuffer: ByteBuffer(bytes: content)))
      },
    ]
  }

  /// The dump that the path names. Who may not see all catalogs is not told whether there is another.
  private func summary(_ context: ServiceContext) async throws -> DumpSummary {
    let id = try context.part("dump")
    let catalogs = try await service.management.catalogIDs(in: context.principal.catalogs)
    let found = try await service.dumps.summary(id, in: catalogs, now: service.now())
    if let found { return found }
    throw catalogs == nil ? unknown(id) : ServiceFailure.dumpOutOfScope
  }

  private func unknown(_ id: String) -> ServiceFailure {
    ServiceFailure(
      .notFound, code: "DumpNotFound",
      message: "No dump '\(id.prefix(80))' is stored. martlet dump list shows those that are.",
      target: String(id.prefix(80)))
  }

  /// What the query and the caller's grant narrow the list to; a name that nothing has leaves nothing.
  private func filter(_ request: Request, for principal: Principal) async throws -> DumpFilter {
    var filter = DumpFilter()
    filter.device = try request.queryValue("device").map(ResourceNames.device)
    let names = ResourceFilter(
      catalog: try request.queryValue("catalog"), product: try request.queryValue("product"),
      deviceGroup: try request.queryValue("deviceGroup"))
    if let asked = names.catalog, !principal.catalogs.includes(catalogNamed: asked) {
      throw ServiceFailure.catalogOutOfScope
    }
    let management = service.management
    filter.catalogs = try await management.catalogIDs(in: principal.catalogs)
    if names.deviceGroup != nil {
      filter.groups = try await management.ids(of: names)
    } else if names.product != nil {
      filter.products = try await management.ids(of: names)
    } else if names.catalog != nil {
      let named = try await management.ids(of: names)
      filter.catalogs = filter.catalogs?.intersection(named) ?? named
    }
    return filter
  }

  /// Where the last page ended. It is not an offset, so that dumps which arrive between two pages
  /// neither repeat nor hide others.
  private func cursor(_ request: Request) throws -> DumpCursor? {
    guard let text = try request.queryValue("$skipToken") else { return nil }
    let parts = text.split(separator: "_", maxSplits: 1)
    guard parts.count == 2, let time = Int64(parts[0]) else {
      throw ServiceFailure.invalid(
        "$skipToken is a mark out of a nextLink of this service.", target: "$skipToken")
    }
    return DumpCursor(receivedAt: time, id: String(parts[1]))
  }
}
