// Counts each request and writes one log line about it.

import HTTPTypes
import Hummingbird
import Logging

/// The outermost middleware: sees what was asked and what is answered, and changes nothing.
struct RequestObserver: RouterMiddleware {
  /// The operation of requests that no route takes.
  static let noOperation = "None"

  let metrics: ServiceMetrics

  func handle(
    _ request: Request, context: ServiceContext,
    next: (Request, ServiceContext) async throws -> Response
  ) async throws -> Response {
    let start = ContinuousClock.now
    let response = try await next(request, context)
    let duration = ContinuousClock.now - start
    let notes = context.record.notes
    metrics.answered(
      notes.operation ?? Self.noOperation, status: response.status, code: notes.code, in: duration)
    context.logger.info("request", metadata: Self.line(request, notes, response.status, duration))
    return response
  }

  /// Neither the query nor headers: tokens are sent in them. The path has names and ids, and is shown of
  /// requests alone that were let in.
  private static func line(
    _ request: Request, _ notes: RequestRecord.Notes, _ status: HTTPResponse.Status,
    _ duration: Duration
  ) -> Logger.Metadata {
    var line: Logger.Metadata = [
      "method": "\(request.method.rawValue)", "operation": "\(notes.operation ?? noOperation)",
      "status": "\(status.code)", "milliseconds": "\(duration / .milliseconds(1))",
    ]
    if let principal = notes.principal {
      line["principal"] = "\(principal)"
      line["path"] = "\(AccessToken.masked(in: request.uri.path.prefix(600)))"
    }
    if let code = notes.code { line["code"] = "\(code)" }
    return line
  }
}

extension AccessToken {
  /// A text with the secrets of all that looks like tokens in it taken out.
  static func masked(in text: some StringProtocol) -> String {
    String(text).replacing(/mt_[0-9a-fA-F]{16}_[0-9a-fA-F]*/, with: "mt_...")
  }
}
