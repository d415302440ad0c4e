// The versions of the Resource Manager dialect; every request of it names one.

import Hummingbird
import ServiceAPI

enum ResourceManagerVersion {
  /// Both are answered alike: what the older one has, the newer one has.
  static let supported = ResourceManagerPath.versions

  /// Whether a path is one of the dialect.
  static func applies(to path: String) -> Bool {
    path.hasPrefix("/subscriptions/") || path.hasPrefix("/providers/")
  }

  /// - Throws: ``ServiceFailure`` with 400 when the request names no version, or one that is not supported.
  static func check(_ request: Request) throws {
    guard let version = try request.queryValue("api-version"), !version.isEmpty else {
      throw ServiceFailure(
        .badRequest, code: "MissingApiVersionParameter",
        message: "The api-version query parameter (?api-version=) is required for all requests.",
        target: "api-version")
    }
    guard supported.contains(where: { $0.lowercased() == version.lowercased() }) else {
      throw ServiceFailure(
        .badRequest, code: "InvalidApiVersionParameter",
        message: "The api-version '\(version.prefix(60))' is not supported. The supported versions "
          + "are '\(supported.joined(separator: ", "))'.",
        target: "api-version")
    }
  }
}

extension EndpointParameter {
  static let apiVersion = EndpointParameter(
    "api-version", .choice(ResourceManagerVersion.supported), "The version of the dialect.",
    isRequired: true)
}
