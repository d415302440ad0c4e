// Who may do what: the roles that people and bridges have, and what each of them permits.

/// One thing that a caller may be permitted to do.
public enum Permission: String, CaseIterable, Sendable {
  /// See catalogs, products, groups, devices, counts and lists of dumps, without what is in a dump.
  case readResources
  /// Make, change and delete catalogs, products and groups; claim and move devices.
  case writeResources
  /// Decide whether dumps are collected, where they are kept and for how long.
  case changeConsent
  /// Read what is in a dump: memory of an application.
  case readDumpContents
  /// Read the audit log and the retention report.
  case readAudit
  /// Speak for devices: leases, offers, dumps, counts, consents.
  case deliverDumps
  /// Ask for what a board needs to know to belong to a catalog.
  case provisionDevices
  /// Register a board's public key.
  case registerIdentities
  /// See whether a board's public key is registered.
  case readIdentities
}

/// What somebody is to the service. A caller with several roles may do what any of them permits.
public enum Role: String, CaseIterable, Codable, Sendable {
  case reader, contributor, administrator, investigator, auditor, bridge

  /// What the role permits. Administrators neither read what is in dumps nor act as a bridge.
  public var permissions: Set<Permission> {
    switch self {
    case .reader: Self.reading
    case .contributor: Self.contributing
    case .administrator: Self.administering
    case .investigator: Self.investigating
    case .auditor: Self.auditing
    case .bridge: Self.bridging
    }
  }

  // Each request asks for them.
  private static let reading: Set<Permission> = [.readResources, .readIdentities]
  private static let contributing = reading.union([.writeResources, .registerIdentities])
  private static let administering = contributing.union([.changeConsent])
  private static let investigating = reading.union([.readDumpContents])
  private static let auditing = reading.union([.readAudit])
  private static let bridging: Set<Permission> = [
    .deliverDumps, .provisionDevices, .registerIdentities, .readIdentities,
  ]

  /// The names of the roles that permit something, for people.
  static func names(permitting permission: Permission) -> String {
    allCases.filter { $0.permissions.contains(permission) }.map(\.rawValue)
      .joined(separator: ", ")
  }
}
