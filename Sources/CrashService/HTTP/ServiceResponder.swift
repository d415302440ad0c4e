// Finds what answers a request, whatever the case of the letters in its path.

import Hummingbird

/// The routes of every API, twice: as they are written, and in any case.
///
/// Resource Manager's paths mean the same in any case, and so do all others here. To compare them so makes a
/// string of each letter; those that bridges ask, thousands in a second, are sent as they are written.
struct ServiceResponder: HTTPResponder {
  private let written: RouterResponder<ServiceContext>
  private let anyCase: RouterResponder<ServiceContext>

  /// - Parameter addRoutes: the same for both; the paths below `/martlet/` are in lower case.
  init(_ addRoutes: (Router<ServiceContext>) -> Void) {
    func responder(_ options: RouterOptions) -> RouterResponder<ServiceContext> {
      let router = Router(context: ServiceContext.self, options: options)
      addRoutes(router)
      return router.buildResponder()
    }
    written = responder([])
    anyCase = responder(.caseInsensitive)
  }

  func respond(to request: Request, context: ServiceContext) async throws -> Response {
    let isWritten = Self.isLowerCase(request.uri.path)
    return try await (isWritten ? written : anyCase).respond(to: request, context: context)
  }

  /// Whether a path is one below `/martlet/` that no other case could be meant by.
  private static func isLowerCase(_ path: String) -> Bool {
    path.utf8.starts(with: "/martlet/".utf8)
      && path.utf8.allSatisfy { $0 < 0x80 && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
  }
}
