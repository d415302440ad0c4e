// Who may call an endpoint.

/// How an endpoint's resources relate to catalogs.
enum EndpointScope: Sendable {
  /// It shows and changes nothing of any catalog.
  case none
  /// The path names the catalog.
  case catalog
  /// The path names a device: the catalog is the one that it is claimed into, otherwise the one that it is
  /// registered for.
  case device
  /// The handler narrows what it shows to ``Principal/catalogs``, or asks ``ServiceContext/require(_:)``
  /// for a catalog that the body names.
  case handler
}

/// The permission that an endpoint needs, and where it must hold.
struct EndpointAccess: Sendable {
  /// `nil` for an endpoint that needs no login.
  var permission: Permission?
  var scope: EndpointScope

  init(_ permission: Permission, in scope: EndpointScope) {
    self.permission = permission
    self.scope = scope
  }

  private init() {
    permission = nil
    scope = .none
  }

  /// Everybody, without a login.
  static let open = EndpointAccess()
}
