// Who calls: the outcome of a login.

/// A caller that the service knows.
public struct Principal: Equatable, Sendable {
  /// For logs and the audit log, such as `token 3f0c`; never a secret.
  public var name: String
  public var roles: Set<Role>
  public var catalogs: CatalogGrant

  public init(name: String, roles: Set<Role>, catalogs: CatalogGrant) {
    self.name = name
    self.roles = roles
    self.catalogs = catalogs
  }

  /// Whoever calls an endpoint that needs no login.
  static let anonymous = Principal(name: "anonymous", roles: [], catalogs: .only([]))

  public func may(_ permission: Permission) -> Bool {
    roles.contains { $0.permissions.contains(permission) }
  }
}
