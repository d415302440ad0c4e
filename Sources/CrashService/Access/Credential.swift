// What the service keeps of tokens and of bridges' certificates.

import Crypto
import Foundation

/// Something that a caller logs in with, as it is stored.
public struct Credential: Equatable, Sendable {
  /// What a caller shows.
  public enum Kind: String, Sendable {
    /// ``id`` is the token's, ``digest`` the SHA-256 of its secret.
    case token
    /// ``id`` is the certificate's serial number in hex digits, ``digest`` the SHA-256 of its bytes.
    case certificate
  }

  public var kind: Kind
  public var id: String
  /// 32 bytes.
  public var digest: Data
  /// What its maker called it; may be empty.
  public var label: String
  public var roles: Set<Role>
  public var catalogs: CatalogGrant
  public var createdAt: Date
  /// From then on it opens nothing; `nil` for never.
  public var expiresAt: Date?
  /// When somebody revoked it.
  public var revokedAt: Date?

  public init(
    _ kind: Kind, id: String, digest: Data, label: String = "", roles: Set<Role>,
    catalogs: CatalogGrant, createdAt: Date, expiresAt: Date? = nil
  ) {
    self.kind = kind
    self.id = id
    self.digest = digest
    self.label = label
    self.roles = roles
    self.catalogs = catalogs
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }

  public init(
    _ token: AccessToken, label: String = "", roles: Set<Role>, catalogs: CatalogGrant,
    createdAt: Date, expiresAt: Date? = nil
  ) {
    self.init(
      .token, id: token.id, digest: Data(token.digest), label: label, roles: roles,
      catalogs: catalogs, createdAt: createdAt, expiresAt: expiresAt)
  }

  /// Whether it opens anything at `time`.
  public func isValid(at time: Date) -> Bool {
    revokedAt == nil && expiresAt.map { time < $0 } ?? true
  }

  /// Whether this is the record of that very token, its secret included.
  func belongs(to token: AccessToken) -> Bool {
    kind == .token && id == token.id && token.digest == digest
  }

  /// Whoever shows it.
  var principal: Principal {
    Principal(name: "\(kind.rawValue) \(id)", roles: roles, catalogs: catalogs)
  }
}
