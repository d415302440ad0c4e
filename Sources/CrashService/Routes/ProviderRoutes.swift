// What the Resource Manager is told about the provider: the operations that its routes are.

import Foundation
import HTTPTypes
import Hummingbird
import ServiceAPI

struct ProviderRoutes: EndpointGroup {
  private static let provider = "Microsoft.AzureSphere"

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .get, "/providers/\(Self.provider)/operations", id: "Operations_List",
        "Lists what may be done with resources.", tag: .operations,
        access: .init(.readResources, in: .none),
        answers: [.ok(ResourceList<ProviderOperation>.self)]
      ) { _, _ in
        try jsonResponse(ResourceList(value: operations))
      }
    ]
  }

  /// One for each kind of resource and action, by name.
  private var operations: [ProviderOperation] {
    var found: [String: ProviderOperation] = [:]
    for endpoint in service.endpoints {
      guard let (resource, action) = Self.parts(of: endpoint) else { continue }
      let name = "\(Self.provider)/\(resource)/\(action)"
      guard found[name] == nil else { continue }
      found[name] = ProviderOperation(
        name: name,
        display: .init(
          provider: Self.provider, resource: resource, operation: action,
          description: endpoint.summary))
    }
    return found.values.sorted { $0.name < $1.name }
  }

  /// The type of an endpoint's resource, such as `catalogs/products`, and what is done with it.
  private static func parts(of endpoint: Endpoint) -> (resource: String, action: String)? {
    let path = endpoint.path.components(separatedBy: "/providers/\(provider)/")
    guard path.count == 2, endpoint.path.hasPrefix("/subscriptions/") else { return nil }
    var types = path[1].split(separator: "/").filter { !$0.hasPrefix("{") }.map(String.init)
    switch endpoint.method {
    case .get: return (types.joined(separator: "/"), "read")
    case .put, .patch: return (types.joined(separator: "/"), "write")
    case .delete: return (types.joined(separator: "/"), "delete")
    default:
      guard let action = types.popLast(), !types.isEmpty else { return nil }
      return (types.joined(separator: "/"), "\(action)/action")
    }
  }
}
