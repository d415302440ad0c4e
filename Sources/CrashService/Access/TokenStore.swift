// Where tokens are kept, as hashes.

import Crypto
import Foundation
import ServiceAPI
import Synchronization

/// A token as it is stored.
public struct TokenRecord: Equatable, Sendable {
  public var id: String
  /// SHA-256 of the secret, 32 bytes.
  public var digest: Data
  public var roles: Set<Role>
  public var catalogs: CatalogGrant
  public var createdAt: Date
  /// From then on the token opens nothing; `nil` for never.
  public var expiresAt: Date?
  /// When somebody revoked it.
  public var revokedAt: Date?

  public init(
    _ token: AccessToken, roles: Set<Role>, catalogs: CatalogGrant, createdAt: Date,
    expiresAt: Date? = nil
  ) {
    id = token.id
    digest = Data(token.digest)
    self.roles = roles
    self.catalogs = catalogs
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }

  /// Whether this is the record of that very token, its secret included.
  func belongs(to token: AccessToken) -> Bool { token.id == id && token.digest == digest }

  /// Whether the token opens anything at `time`.
  public func isValid(at time: Date) -> Bool {
    revokedAt == nil && expiresAt.map { time < $0 } ?? true
  }
}

/// Keeps tokens.
public protocol TokenStore: Sendable {
  func insert(_ record: TokenRecord) async throws
  /// The token of that id, whether it is valid or not.
  func token(_ id: String) async throws -> TokenRecord?
  /// All tokens, the oldest first.
  func tokens() async throws -> [TokenRecord]
  /// Takes a token's power for good. False when there is none of that id.
  func revoke(_ id: String, at time: Date) async throws -> Bool
}

/// Tokens that are gone when the process ends.
public final class MemoryTokenStore: TokenStore {
  private let records = Mutex<[TokenRecord]>([])

  public init() {}

  public func insert(_ record: TokenRecord) { records.withLock { $0.append(record) } }

  public func token(_ id: String) -> TokenRecord? {
    records.withLock { $0.first { $0.id == id } }
  }

  public func tokens() -> [TokenRecord] { records.withLock { $0 } }

  public func revoke(_ id: String, at time: Date) -> Bool {
    records.withLock { records in
      guard let index = records.firstIndex(where: { $0.id == id }) else { return false }
      if records[index].revokedAt == nil { records[index].revokedAt = time }
      return true
    }
  }
}
