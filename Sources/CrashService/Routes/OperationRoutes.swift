// Long-running operations over HTTP.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension HTTPField.Name {
  /// Where clients of the Resource Manager ask how far an operation is.
  fileprivate static let azureAsyncOperation = Self("Azure-AsyncOperation") ?? .location
}

/// Where callers of long-running operations ask how far those are.
struct OperationRoutes: EndpointGroup {
  static func path(subscription: String) -> String {
    "/subscriptions/\(subscription)/providers/Microsoft.AzureSphere/locations/global"
      + "/operationStatuses"
  }

  let service: CrashService

  /// Answers that an operation was begun.
  static func accepted(_ operation: String, _ request: Request, _ context: ServiceContext)
    -> Response
  {
    // As it stands in the path: percent-encoded.
    let path = path(subscription: context.parameters.get("subscription") ?? "")
    let address = "\(request.origin)\(path)/\(operation)\(ResourceManagerPath.query(of: path))"
    // Without Retry-After clients wait 30 s between polls; the operation is done at once.
    return Response(
      status: .accepted,
      headers: [.location: address, .azureAsyncOperation: address, .retryAfter: "1"])
  }

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get,
        """
        /subscriptions/{subscription}/providers/Microsoft.AzureSphere/locations/{location}\
        /operationStatuses/{operation}
        """,
        id: "Operations_Get", "Tells how far a long-running operation is.", tag: .operations,
        access: .init(.readResources, in: .none), answers: [.ok(OperationStatus.self)]
      ) { request, context in
        let id = try context.part("operation")
        guard try await management.operationExists(id) else {
          throw ServiceFailure.notFound(
            "The operation", String(id.prefix(60)), hint: "Operations are remembered for a day.")
        }
        return try jsonResponse(
          OperationStatus(id: request.uri.path, name: id, status: .succeeded))
      }
    ]
  }
}
