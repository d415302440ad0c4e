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
        let (page, next) = try await list(
          filter(request), after: cursor(request), for: context.principal)
        return try jsonResponse(
          DumpList(
            value: page,
            nextLink: next.map {
              request.link(replacing: "$skipToken", with: "\($0.receivedAt)_\($0.id)")
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
        guard let content = try await dumps.holding(id: id)?.content(id) else { throw unknown(id) }
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
    let summary = try await service.dumps.summary(id)
    let catalogs = context.principal.catalogs
    guard catalogs == .all || summary.map({ catalogs.includes(catalogNamed: $0.catalog) }) ?? false
    else { throw ServiceFailure.dumpOutOfScope }
    guard let summary else { throw unknown(id) }
    return summary
  }

  /// A page of those dumps that the caller may see.
  private func list(_ filter: DumpFilter, after cursor: DumpCursor?, for principal: Principal)
    async throws -> (page: [DumpSummary], next: DumpCursor?)
  {
    let limit = CrashService.pageSize
    guard case .only(let catalogs) = principal.catalogs else {
      return try await service.dumps.list(filter, after: cursor, limit: limit)
    }
    if let asked = filter.catalog {
      guard principal.catalogs.includes(catalogNamed: asked) else {
        throw ServiceFailure.catalogOutOfScope
      }
      return try await service.dumps.list(filter, after: cursor, limit: limit)
    }
    var found: [DumpSummary] = []
    var goesOn = false
    for name in Set(catalogs.map { $0.name.lowercased() }) {
      var filter = filter
      filter.catalog = name
      let (page, next) = try await service.dumps.list(filter, after: cursor, limit: limit)
      found += page
      goesOn = goesOn || next != nil
    }
    found.sort { ($0.receivedAt, $0.id) > ($1.receivedAt, $1.id) }
    let page = Array(found.prefix(limit))
    guard goesOn || found.count > limit, let last = page.last else { return (page, nil) }
    return (page, DumpCursor(receivedAt: milliseconds(last.receivedAt), id: last.id))
  }

  private func unknown(_ id: String) -> ServiceFailure {
    ServiceFailure(
      .notFound, code: "DumpNotFound",
      message: "No dump '\(id.prefix(80))' is stored. martlet dump list shows those that are.",
      target: String(id.prefix(80)))
  }

  private func filter(_ request: Request) throws -> DumpFilter {
    let query = request.uri.queryParameters
    var filter = DumpFilter()
    filter.catalog = query["catalog"].map(String.init)
    filter.product = query["product"].map(String.init)
    filter.deviceGroup = query["deviceGroup"].map(String.init)
    filter.device = try query["device"].map { try ResourceNames.device(String($0)) }
    return filter
  }

  /// Where the last page ended. It is not an offset, so that dumps which arrive between two pages
  /// neither repeat nor hide others.
  private func cursor(_ request: Request) throws -> DumpCursor? {
    guard let text = request.uri.queryParameters["$skipToken"] else { return nil }
    let parts = text.split(separator: "_", maxSplits: 1)
    guard parts.count == 2, let time = Int64(parts[0]) else {
      throw ServiceFailure.invalid(
        "$skipToken is a mark out of a nextLink of this service.", target: "$skipToken")
    }
    return DumpCursor(receivedAt: time, id: String(parts[1]))
  }
}
