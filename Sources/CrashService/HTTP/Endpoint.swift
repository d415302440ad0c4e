// The description of one route: the one place that routing, access, metrics and the API's description read.

import HTTPTypes
import Hummingbird

/// A route of the service.
///
/// There is no other way to add a route than to describe it: what is not described is not reachable,
/// and what is described is guarded by ``AccessGate`` before its handler runs.
struct Endpoint: Sendable {
  typealias Handler = @Sendable (Request, ServiceContext) async throws -> Response

  /// A group of endpoints in the API's description.
  enum Tag: String, CaseIterable, Sendable {
    case catalogs = "Catalogs"
    case products = "Products"
    case deviceGroups = "Device groups"
    case devices = "Devices"
    case images = "Images and deployments"
    case operations = "Operations"
    case tenants = "Tenants (the older public API)"
    case dumps = "Dumps"
    case bridges = "Bridges"
    case operation = "Running the service"
  }

  var method: HTTPRequest.Method
  /// With a leading slash and parameters in braces: `/martlet/v1/dumps/{dump}`.
  var path: String
  /// The operation's id: unique, and the endpoint's label in metrics.
  var id: String
  /// One sentence.
  var summary: String
  var tag: Tag
  var access: EndpointAccess
  /// Query parameters; those of the path describe themselves.
  var query: [EndpointParameter]
  var body: EndpointBody?
  /// What it answers when it does what was asked.
  var answers: [EndpointAnswer]
  /// Statuses of refusals beside those that every endpoint of its kind has (``commonRefusals``).
  var refusals: [HTTPResponse.Status]
  var handler: Handler

  init(
    _ method: HTTPRequest.Method, _ path: String, id: String, _ summary: String, tag: Tag,
    access: EndpointAccess, query: [EndpointParameter] = [], body: EndpointBody? = nil,
    answers: [EndpointAnswer], refusals: [HTTPResponse.Status] = [],
    handler: @escaping Handler
  ) {
    self.method = method
    self.path = path
    self.id = id
    self.summary = summary
    self.tag = tag
    self.access = access
    self.query = ResourceManagerVersion.applies(to: path) ? [.apiVersion] + query : query
    self.body = body
    self.answers = answers
    self.refusals = refusals
    self.handler = handler
  }

  /// The names of the parameters in the path, in their order.
  var pathParameters: [String] {
    path.split(separator: "/").filter { $0.hasPrefix("{") && $0.hasSuffix("}") }
      .map { String($0.dropFirst().dropLast()) }
  }

  /// Statuses that every endpoint of its kind may refuse with.
  var commonRefusals: [HTTPResponse.Status] {
    var statuses: [HTTPResponse.Status] = [.tooManyRequests, .internalServerError]
    statuses.append(.serviceUnavailable)
    if access.permission != nil { statuses += [.unauthorized, .forbidden] }
    if !pathParameters.isEmpty || !query.isEmpty || body != nil { statuses.append(.badRequest) }
    if !pathParameters.isEmpty { statuses.append(.notFound) }
    if body != nil { statuses.append(.contentTooLarge) }
    return statuses
  }

  /// The path as the router reads it.
  fileprivate var routerPath: RouterPath {
    let parts = path.split(separator: "/").map { part in
      part.hasPrefix("{") && part.hasSuffix("}") ? ":\(part.dropFirst().dropLast())" : String(part)
    }
    return RouterPath(parts.joined(separator: "/"))
  }

  /// Adds the route, behind the gate.
  func register(on router: Router<ServiceContext>, behind gate: AccessGate) {
    router.on(routerPath, method: method) { request, context in
      var context = context
      context.record.note(operation: id)
      context.principal = try await gate.admit(request, context, to: self)
      if ResourceManagerVersion.applies(to: path) { try ResourceManagerVersion.check(request) }
      return try await handler(request, context)
    }
  }
}

/// Answers 405 where there is something, but nothing that the method does.
func refuseOtherMethods(than endpoints: [Endpoint], on router: Router<ServiceContext>) {
  let usual: [HTTPRequest.Method] = [.get, .put, .post, .patch, .delete]
  let byPath = Dictionary(grouping: endpoints) { endpoint in
    // Two paths with parameters of other names are one to the router.
    endpoint.path.split(separator: "/").map { $0.hasPrefix("{") ? "{}" : $0.lowercased() }
  }
  for group in byPath.values {
    let allowed = usual.filter { method in group.contains { $0.method == method } }
    for method in usual where !allowed.contains(method) {
      router.on(group[0].routerPath, method: method) { request, _ -> Response in
        throw ServiceFailure.methodNotAllowed(request, allowed: allowed)
      }
    }
  }
}

extension ServiceFailure {
  fileprivate static func methodNotAllowed(_ request: Request, allowed: [HTTPRequest.Method])
    -> ServiceFailure
  {
    var failure = ServiceFailure(
      .methodNotAllowed, code: "MethodNotAllowed",
      message: "\(request.method.rawValue) does nothing here. What can be asked here: "
        + allowed.map(\.rawValue).joined(separator: ", ") + ".")
    failure.allowed = allowed
    return failure
  }
}

/// Endpoints that belong together.
protocol EndpointGroup: Sendable {
  var endpoints: [Endpoint] { get }
}
