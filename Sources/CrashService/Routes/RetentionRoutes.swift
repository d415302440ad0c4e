// The retention report and the audit log over HTTP, for those who may see all catalogs.

import Hummingbird
import ServiceAPI

struct RetentionRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    let access = EndpointAccess(.readAudit, in: .handler)
    return [
      Endpoint(
        .get, RetentionPath.report, id: "Retention_Get",
        "Tells whether anything is kept for longer than it may be.", tag: .operation,
        access: access, answers: [.ok(RetentionReport.self)]
      ) { _, context in
        try requireAll(context)
        return try jsonResponse(try await service.retentionReport())
      },
      Endpoint(
        .post, RetentionPath.report, id: "Retention_Delete",
        "Deletes what is over, at once, and tells what is left.", tag: .operation,
        access: access, answers: [.ok(RetentionReport.self)]
      ) { _, context in
        try requireAll(context)
        return try jsonResponse(try await service.deleteOverdue())
      },
      Endpoint(
        .get, RetentionPath.audit, id: "Audit_List",
        "Lists what was deleted in a region, oldest first.", tag: .operation, access: access,
        query: [
          EndpointParameter(
            "region", .choice(Region.allCases.map(\.rawValue)), "The region, EU unless told."),
          EndpointParameter(
            "after", .integer(minimum: 0), "The number of the last event that is known."),
        ],
        answers: [.ok(AuditList.self)]
      ) { request, context in
        try requireAll(context)
        return try jsonResponse(try await audit(request))
      },
    ]
  }

  private func requireAll(_ context: ServiceContext) throws {
    guard context.principal.catalogs == .all else { throw ServiceFailure.catalogOutOfScope }
  }

  private func audit(_ request: Request) async throws -> AuditList {
    let name = try request.queryValue("region") ?? Region.eu.rawValue
    guard let region = Region(rawValue: name) else {
      throw ServiceFailure.invalid(
        "region is one of \(Region.allCases.map(\.rawValue).joined(separator: ", ")).",
        target: "region")
    }
    guard let after = Int64(try request.queryValue("after") ?? "0"), after >= 0 else {
      throw ServiceFailure.invalid("after is a number from 0 on.", target: "after")
    }
    let found = try await service.dumps[region].audit(
      after: after, limit: CrashService.pageSize + 1)
    let page = Array(found.prefix(CrashService.pageSize))
    return AuditList(
      value: page,
      nextLink: found.count > page.count
        ? page.last.map { request.link(replacing: "after", with: String($0.number)) } : nil)
  }
}
