// What the service answers when it cannot do what was asked.

import HTTPTypes
import Hummingbird
import ServiceAPI

/// A refusal: a status, a stable code and words for people.
public struct ServiceFailure: Error, Equatable, Sendable {
  public var status: HTTPResponse.Status
  public var body: ServiceErrorBody
  /// Seconds after which the caller may try again.
  public var retryAfter: Int?
  /// How the caller logs in: `WWW-Authenticate` of a 401.
  var challenge: String?

  /// The methods that an address takes, in a refusal of another one.
  var allowed: [HTTPRequest.Method] = []

  public init(
    _ status: HTTPResponse.Status, code: String, message: String, target: String? = nil,
    retryAfter: Int? = nil
  ) {
    self.status = status
    self.body = ServiceErrorBody(code: code, message: message, target: target)
    self.retryAfter = retryAfter
  }
}

extension ServiceFailure: HTTPResponseError {
  public func response(from request: Request, context: some RequestContext) throws -> Response {
    // The older public API has errors in an array.
    var response =
      request.uri.path.lowercased().hasPrefix(TenantPath.prefix)
      ? try jsonResponse(
        [TenantError(code: body.error.code, title: body.error.message)], status: status)
      : try jsonResponse(body, status: status)
    if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
    if !allowed.isEmpty {
      response.headers[.allow] = allowed.map(\.rawValue).joined(separator: ", ")
    }
    if let challenge { response.headers[.wwwAuthenticate] = challenge }
    return response
  }
}

extension ServiceFailure {
  static func notFound(_ kind: String, _ name: String, hint: String) -> ServiceFailure {
    ServiceFailure(
      .notFound, code: "ResourceNotFound", message: "\(kind) '\(name)' does not exist. \(hint)",
      target: name)
  }

  static func invalid(_ message: String, target: String? = nil) -> ServiceFailure {
    ServiceFailure(.badRequest, code: "InvalidRequest", message: message, target: target)
  }

  static func conflict(code: String, _ message: String, target: String? = nil) -> ServiceFailure {
    ServiceFailure(.conflict, code: code, message: message, target: target)
  }

  static func unknownDevice(_ device: DeviceID) -> ServiceFailure {
    ServiceFailure(
      .notFound, code: "DeviceNotFound",
      message: "The device is not claimed into any catalog. Claim it into a device group first "
        + "(martlet device claim --device \(device.text.prefix(8))... --product <product> "
        + "--device-group <group>).",
      target: device.text)
  }

  static func consentNotGiven(group: String) -> ServiceFailure {
    ServiceFailure(
      .forbidden, code: "ConsentNotGiven",
      message: "Crash dump collection is disabled for the device group '\(group)'. Nothing was "
        + "stored. It can be enabled with martlet device-group update "
        + "--allow-crash-dumps-collection Enabled.",
      target: group)
  }

  static func unclaimed(_ device: DeviceID) -> ServiceFailure {
    ServiceFailure(
      .forbidden, code: "ConsentNotGiven",
      message:
        "The device is not claimed into any catalog, so nobody consents to the collection of "
        + "its crash dumps. Nothing was stored.",
      target: device.text)
  }

  static func otherConsent(of dump: UInt32, current: UInt32) -> ServiceFailure {
    ServiceFailure(
      .forbidden, code: "ConsentOver",
      message: "The dump was taken under consent epoch \(dump), which is not the current one, "
        + "\(current). Nothing was stored; purge the dump.",
      target: "consentEpoch")
  }

  static func tooLarge(limit: Int) -> ServiceFailure {
    ServiceFailure(
      .contentTooLarge, code: "BodyTooLarge",
      message: "The request's body is larger than the \(limit) bytes that are accepted here.")
  }
}
