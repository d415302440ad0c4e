// The one place that decides whether a request reaches its handler.

import Foundation
import HTTPTypes
import Hummingbird
import ServiceAPI

/// Stands in front of every endpoint: login, role, catalog, in this order.
///
/// What it answers depends on the caller alone, never on whether a resource exists: a refusal tells
/// nothing about what is behind it.
struct AccessGate: Sendable {
  let logins: LoginDirectory
  let management: ManagementStore
  let rates: RequestRates
  let now: @Sendable () -> Date

  /// Lets a request pass, or refuses it.
  /// - Returns: who calls.
  /// - Throws: ``ServiceFailure`` with 401, 403 or 429.
  func admit(_ request: Request, _ context: ServiceContext, to endpoint: Endpoint) async throws
    -> Principal
  {
    let address = context.channel.remoteAddress?.ipAddress ?? "none"
    try rates.addresses.spend(address)
    guard let permission = endpoint.access.permission else {
      context.record.note(principal: .anonymous)
      return .anonymous
    }
    try rates.failedLogins.check(address)
    let principal: Principal
    do {
      principal = try await self.principal(of: request, context)
    } catch let failure as ServiceFailure where failure.status == .unauthorized {
      try rates.failedLogins.spend(address)
      throw failure
    }
    try rates.logins.spend(principal.name)
    context.record.note(principal: principal)
    guard principal.may(permission) else {
      throw ServiceFailure.roleMissing(principal, permission: permission)
    }
    try await checkScope(endpoint.access.scope, principal, context)
    return principal
  }

  private func principal(of request: Request, _ context: ServiceContext) async throws -> Principal {
    guard let header = request.headers[.authorization] else {
      return try await principal(of: context.peerCertificate(for: request))
    }
    // One answer for every token that is not good: nobody learns which ones there were.
    guard let token = AccessToken(bearer: header),
      let credential = try await logins.credential(.token, token.id),
      credential.belongs(to: token), credential.isValid(at: now())
    else { throw ServiceFailure.loginRefused }
    return credential.principal
  }

  /// Who shows a certificate. That this service's authority vouches for it was found when the connection was
  /// made.
  private func principal(of certificate: PeerCertificate?) async throws -> Principal {
    guard let certificate else { throw ServiceFailure.loginMissing }
    guard let credential = try await logins.credential(.certificate, certificate.id),
      credential.digest == certificate.digest, credential.isValid(at: now())
    else { throw ServiceFailure.certificateRefused }
    return credential.principal
  }

  private func checkScope(
    _ scope: EndpointScope, _ principal: Principal, _ context: ServiceContext
  ) async throws {
    if case .all = principal.catalogs { return }
    switch scope {
    case .none, .handler: return
    case .catalog:
      guard principal.catalogs.includes(try context.catalog()) else {
        throw ServiceFailure.catalogOutOfScope
      }
    case .device:
      let standing = try await management.standing(of: context.device())
      guard principal.mayReach(standing) else { throw ServiceFailure.deviceOutOfScope }
    }
  }
}

extension Principal {
  /// Whether a device is in one of the caller's catalogs. One that nobody knows is in none.
  func mayReach(_ standing: DeviceStanding) -> Bool {
    if let placement = standing.placement {
      return catalogs.includes(placement.group.product.catalog)
    }
    if let registration = standing.registration {
      return catalogs.includes(registration.catalog)
    }
    return catalogs == .all
  }
}

extension ServiceContext {
  /// Refuses a catalog that is not among the caller's.
  /// - Throws: ``ServiceFailure`` with 403, whether there is such a catalog or not.
  func require(_ catalog: CatalogReference) throws {
    guard principal.catalogs.includes(catalog) else { throw ServiceFailure.catalogOutOfScope }
  }
}

extension AccessToken {
  /// Reads an `Authorization` header; `nil` when it holds no token of this service.
  fileprivate init?(bearer header: String) {
    let scheme = header.utf8.prefix { $0 != UInt8(ascii: " ") }
    guard String(Substring(scheme)).asciiLowercased == "bearer" else { return nil }
    self.init(Substring(header.utf8[scheme.endIndex...].drop { $0 == UInt8(ascii: " ") }))
  }
}

extension ServiceFailure {
  /// Tells clients which login is expected, as RFC 6750 has it.
  private static func unauthorized(_ code: String, challenge: String, _ message: String)
    -> ServiceFailure
  {
    var failure = ServiceFailure(.unauthorized, code: code, message: message)
    failure.challenge = challenge
    return failure
  }

  static let loginMissing = unauthorized(
    "AuthenticationRequired", challenge: #"Bearer realm="martlet""#,
    "The request has no token. An administrator of the service makes one with martlet-service token "
      + "create; martlet and martlet-bridge take it with --token-file or in MARTLET_TOKEN.")

  static let loginRefused = unauthorized(
    "InvalidAuthenticationToken", challenge: #"Bearer realm="martlet", error="invalid_token""#,
    "The token is not known here, has expired or was revoked. An administrator of the service makes "
      + "a new one with martlet-service token create.")

  static let certificateRefused = unauthorized(
    "InvalidClientCertificate", challenge: #"Bearer realm="martlet""#,
    "The certificate is not known here, has expired or was revoked. An administrator of the service "
      + "makes a new one with martlet-service certificate create.")

  static func roleMissing(_ principal: Principal, permission: Permission) -> ServiceFailure {
    let roles = principal.roles.map(\.rawValue).sorted().joined(separator: ", ")
    return ServiceFailure(
      .forbidden, code: "AuthorizationFailed",
      message: "The caller's role (\(roles)) does not permit this (\(permission.rawValue)). It "
        + "takes one of: \(Role.names(permitting: permission)).")
  }

  static let catalogOutOfScope = ServiceFailure(
    .forbidden, code: "CatalogOutOfScope",
    message: "The caller's token is for other catalogs than this one.")

  static let deviceOutOfScope = ServiceFailure(
    .forbidden, code: "CatalogOutOfScope",
    message: "The device is in none of the catalogs that the caller's token is for.")

  static let dumpOutOfScope = ServiceFailure(
    .forbidden, code: "CatalogOutOfScope",
    message: "The dump is in none of the catalogs that the caller's token is for.")
}
