// Stored dumps over HTTP.

import HTTPTypes
import Hummingbird
import NIOCore
import ServiceAPI

struct DumpRoutes: Sendable {
  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let dumps = service.dumps
    router.get("martlet/v1/dumps") { request, _ in
      let (page, next) = try await dumps.list(
        filter(request), after: cursor(request), limit: CrashService.pageSize)
      return try jsonResponse(
        DumpList(
          value: page,
          nextLink: next.map {
            request.link(replacing: "$skipToken", with: "\($0.receivedAt)_\($0.id)")
          }))
    }
    router.get("martlet/v1/dumps/:dump") { _, context in
      let id = try context.part("dump")
      guard let summary = try await dumps.summary(id) else { throw unknown(id) }
      return try jsonResponse(summary)
    }
    router.get("martlet/v1/dumps/:dump/content") { _, context in
      let id = try context.part("dump")
      guard let content = try await dumps.holding(id: id)?.content(id) else { throw unknown(id) }
      return Response(
        status: .ok,
        headers: [.contentType: "application/octet-stream", .cacheControl: "no-store"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: content)))
    }
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
