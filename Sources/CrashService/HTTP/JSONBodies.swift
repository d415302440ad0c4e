// Reads and writes JSON bodies, with errors that say which part is wrong.

import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import ServiceAPI

/// The largest JSON body that is read, bytes.
let largestJSONBody = 256 * 1024

/// One of each for all requests: they keep nothing of what they were used for.
private let encoder = ServiceJSON.encoder()
private let decoder = ServiceJSON.decoder()

/// Answers `value` as JSON.
func jsonResponse(
  _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
) throws -> Response {
  let data = try encoder.encode(value)
  var headers = headers
  headers[.contentType] = "application/json; charset=utf-8"
  return Response(
    status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
}

extension Request {
  /// The body, whole. Never holds more than `limit` bytes.
  /// - Throws: ``ServiceFailure`` with 413 when the body is, or says that it is, longer; with 400 when
  ///   the connection ends before it does.
  func bytes(upTo limit: Int) async throws -> ByteBuffer {
    if let length = headers[.contentLength].flatMap(Int.init), length > limit {
      throw ServiceFailure.tooLarge(limit: limit)
    }
    do {
      return try await body.collect(upTo: limit)
    } catch is NIOTooManyBytesError {
      throw ServiceFailure.tooLarge(limit: limit)
    } catch let error as HTTPParserError {
      throw error
    } catch {
      throw ServiceFailure(
        .badRequest, code: "BodyIncomplete", message: "The request's body ended before its end.")
    }
  }

  /// The body as JSON. Members that `Value` does not know are ignored.
  /// - Throws: ``ServiceFailure`` with 400 that names the wrong part, or 413.
  func json<Value: Decodable>(_ type: Value.Type, upTo limit: Int = largestJSONBody) async throws
    -> Value
  {
    try decoded(type, try await bytes(upTo: limit))
  }

  /// The same; `nil` for an empty body.
  func jsonIfAny<Value: Decodable>(_ type: Value.Type) async throws -> Value? {
    let buffer = try await bytes(upTo: largestJSONBody)
    return buffer.readableBytes == 0 ? nil : try decoded(type, buffer)
  }

  private func decoded<Value: Decodable>(_ type: Value.Type, _ buffer: ByteBuffer) throws -> Value {
    do {
      return try decoder.decode(type, from: Data(buffer.readableBytesView))
    } catch let error as DecodingError {
      throw error.failure
    }
  }
}

extension DecodingError {
  /// The error as callers see it.
  fileprivate var failure: ServiceFailure {
    switch self {
    case .keyNotFound(let key, let context):
      .malformed("'\(path(context.codingPath + [key]))' is missing.", context.codingPath + [key])
    case .valueNotFound(_, let context):
      .malformed("'\(path(context.codingPath))' must not be null.", context.codingPath)
    case .typeMismatch(let type, let context):
      .malformed(
        "'\(path(context.codingPath))' has another type than \(type).", context.codingPath)
    case .dataCorrupted(let context) where context.codingPath.isEmpty:
      .malformed("The body is not valid JSON.", [])
    case .dataCorrupted(let context):
      .malformed("'\(path(context.codingPath))': \(context.debugDescription).", context.codingPath)
    @unknown default:
      .malformed("The body does not have the form that is expected here.", [])
    }
  }

  private func path(_ keys: [any CodingKey]) -> String { dottedPath(keys) }
}

extension ServiceFailure {
  fileprivate static func malformed(_ message: String, _ keys: [any CodingKey]) -> ServiceFailure {
    ServiceFailure(
      .badRequest, code: "InvalidRequestContent", message: message,
      target: keys.isEmpty ? nil : dottedPath(keys))
  }
}

/// `properties.deviceIdentifiers[2]`.
private func dottedPath(_ keys: [any CodingKey]) -> String {
  keys.reduce(into: "") { path, key in
    if let index = key.intValue {
      path += "[\(index)]"
    } else {
      path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
    }
  }
}
