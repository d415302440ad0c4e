// Turns every error into JSON with a code and a message.

import Foundation
import Hummingbird
import Logging
import NIOHTTP1
import SQLStorage

/// Nothing leaves the service but an answer with a body that explains it.
struct ErrorMiddleware: RouterMiddleware {
  typealias Context = ServiceContext

  let metrics: ServiceMetrics

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let error as HTTPParserError {
      // What came is no HTTP: the server answers that by itself and closes the connection.
      throw error
    } catch {
      let failure = failure(for: error, request: request, context: context)
      context.record.note(code: failure.body.error.code)
      return try failure.response(from: request, context: context)
    }
  }

  private func failure(for error: any Error, request: Request, context: Context) -> ServiceFailure {
    switch error {
    case let failure as ServiceFailure:
      return failure
    case let error as HTTPError where error.status == .notFound:
      return ServiceFailure(
        .notFound, code: "RouteNotFound",
        message: "Nothing answers \(request.method.rawValue) \(request.uri.path.prefix(300)).")
    case let error as any HTTPResponseError:
      return ServiceFailure(
        error.status, code: "InvalidRequest", message: "The request cannot be answered: \(error).")
    case let error as SQLFailure:
      return storageFailure(error, context: context)
    case is GroupCommitFull:
      return .overloaded
    case let error as SecretUnreadable:
      context.logger.critical("a stored secret cannot be read", metadata: ["name": "\(error.name)"])
      return ServiceFailure(
        .internalServerError, code: "StorageDamaged",
        message: "What the service stored cannot be decrypted: it was changed on the disk.")
    default:
      context.logger.error("unexpected error", metadata: ["type": "\(type(of: error))"])
      return .unexpected
    }
  }

  private func storageFailure(_ error: SQLFailure, context: Context) -> ServiceFailure {
    metrics.databaseFailed(error.code.rawValue)
    context.logger.error(
      "storage failed", metadata: ["code": "\(error.code)", "message": "\(error.message)"])
    switch error.code {
    case .unavailable, .storageFull:
      return ServiceFailure(
        .serviceUnavailable, code: "StorageUnavailable",
        message: "The service cannot reach its storage now. Nothing was changed; try again.",
        retryAfter: 5)
    case .busy, .conflict:
      return ServiceFailure(
        .serviceUnavailable, code: "StorageBusy",
        message: "The service's storage has too much to do now. Nothing was changed; try again.",
        retryAfter: 1)
    case .constraint:
      return .conflict(
        code: "ChangedMeanwhile",
        "Somebody else changed the same at the same time. Nothing was changed; try again.")
    case .unstorableText:
      return .invalid("A text in the request holds a NUL character, which cannot be stored.")
    case .damaged, .unexpectedValue, .refused:
      return .unexpected
    }
  }
}

extension ServiceFailure {
  fileprivate static let unexpected = ServiceFailure(
    .internalServerError, code: "InternalError",
    message: "The service failed in a way it did not expect; its log says more.")
}
