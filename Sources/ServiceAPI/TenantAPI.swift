// The older public API: tenants and their device groups, with consent as a boolean and words as numbers.

/// Paths of the older public API.
///
/// | call | answers |
/// | --- | --- |
/// | `GET /v2/tenants` | 200 ``Tenant``s, an array |
/// | `GET /v2/tenants/{tenant}/devicegroups` | 200 ``TenantGroupList``, every group |
/// | `GET /v2/tenants/{tenant}/devicegroups/{group}` | 200 ``TenantGroup`` |
/// | `PATCH` of the same, with ``TenantGroupChange`` | 200 ``TenantGroup`` |
///
/// Whatever else happens is answered with an array of ``TenantError``. A tenant is a catalog: its id is
/// `tenantId` of ``CatalogProperties``.
public enum TenantPath {
  /// What all paths of the API begin with.
  public static let prefix = "/v2/"
  public static let tenants = "/v2/tenants"

  public static func deviceGroups(tenant: String) -> String {
    "\(tenants)/\(tenant)/devicegroups"
  }

  public static func deviceGroup(tenant: String, group: String) -> String {
    "\(deviceGroups(tenant: tenant))/\(group)"
  }
}

/// A catalog.
public struct Tenant: Codable, Equatable, Sendable {
  /// A GUID.
  public var id: String
  public var name: String
  /// What the caller may do in it, such as `Administrator`.
  public var roles: [String]

  public init(id: String, name: String, roles: [String]) {
    self.id = id
    self.name = name
    self.roles = roles
  }

  private enum CodingKeys: String, CodingKey {
    case id = "Id"
    case name = "Name"
    case roles = "Roles"
  }
}

/// A device group.
public struct TenantGroup: Codable, Equatable, Sendable {
  /// A GUID.
  public var id: String
  public var tenantID: String
  /// The place of an ``OSFeedType`` in its list.
  public var osFeedType: Int
  /// A GUID.
  public var productID: String
  public var name: String
  public var description: String
  /// The place of an ``UpdatePolicy`` in its list.
  public var updatePolicy: Int
  public var allowCrashDumpsCollection: Bool

  public init(
    id: String, tenantID: String, productID: String, name: String, properties: DeviceGroupProperties
  ) {
    self.id = id
    self.tenantID = tenantID
    self.productID = productID
    self.name = name
    osFeedType = properties.osFeedType.number
    description = properties.description
    updatePolicy = properties.updatePolicy.number
    allowCrashDumpsCollection = properties.allowCrashDumpsCollection == .enabled
  }

  private enum CodingKeys: String, CodingKey {
    case id = "Id"
    case tenantID = "TenantId"
    case osFeedType = "OsFeedType"
    case productID = "ProductId"
    case name = "Name"
    case description = "Description"
    case currentDeployment = "CurrentDeployment"
    case updatePolicy = "UpdatePolicy"
    case allowCrashDumpsCollection = "AllowCrashDumpsCollection"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decode(String.self, forKey: .id)
    tenantID = try container.decode(String.self, forKey: .tenantID)
    osFeedType = try container.decode(Int.self, forKey: .osFeedType)
    productID = try container.decode(String.self, forKey: .productID)
    name = try container.decode(String.self, forKey: .name)
    description = try container.decode(String.self, forKey: .description)
    updatePolicy = try container.decode(Int.self, forKey: .updatePolicy)
    allowCrashDumpsCollection = try container.decode(Bool.self, forKey: .allowCrashDumpsCollection)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(tenantID, forKey: .tenantID)
    try container.encode(osFeedType, forKey: .osFeedType)
    try container.encode(productID, forKey: .productID)
    try container.encode(name, forKey: .name)
    try container.encode(description, forKey: .description)
    // Clients expect the member; deployments are in the other dialect.
    try container.encodeNil(forKey: .currentDeployment)
    try container.encode(updatePolicy, forKey: .updatePolicy)
    try container.encode(allowCrashDumpsCollection, forKey: .allowCrashDumpsCollection)
  }
}

/// Every group of a tenant: what reads it ignores pages.
public struct TenantGroupList: Codable, Equatable, Sendable {
  public var items: [TenantGroup]

  public init(items: [TenantGroup]) { self.items = items }

  private enum CodingKeys: String, CodingKey {
    case items = "Items"
    case continuationToken = "ContinuationToken"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    items = try container.decode([TenantGroup].self, forKey: .items)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(items, forKey: .items)
    try container.encodeNil(forKey: .continuationToken)
  }
}

/// A change of a device group; what is absent stays.
public struct TenantGroupChange: Codable, Equatable, Sendable {
  public var allowCrashDumpsCollection: Bool?
  public var description: String?
  /// The place of an ``OSFeedType`` in its list. Here it is spelt another way than in an answer.
  public var osFeedType: Int?
  /// The place of an ``UpdatePolicy`` in its list.
  public var updatePolicy: Int?

  public init(allowCrashDumpsCollection: Bool? = nil) {
    self.allowCrashDumpsCollection = allowCrashDumpsCollection
  }

  private enum CodingKeys: String, CodingKey {
    case allowCrashDumpsCollection = "AllowCrashDumpsCollection"
    case description = "Description"
    case osFeedType = "OSFeedType"
    case updatePolicy = "UpdatePolicy"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    // A null says nothing about consent, so it is a mistake.
    allowCrashDumpsCollection =
      container.contains(.allowCrashDumpsCollection)
      ? try container.decode(Bool.self, forKey: .allowCrashDumpsCollection) : nil
    description = try container.decodeIfPresent(String.self, forKey: .description)
    osFeedType = try container.decodeIfPresent(Int.self, forKey: .osFeedType)
    updatePolicy = try container.decodeIfPresent(Int.self, forKey: .updatePolicy)
  }
}

/// One element of the array that every error is.
public struct TenantError: Codable, Equatable, Sendable {
  /// A stable name for programs.
  public var code: String
  /// Words for people.
  public var title: String

  public init(code: String, title: String) {
    self.code = code
    self.title = title
  }

  private enum CodingKeys: String, CodingKey {
    case code = "ErrorCode"
    case title = "Title"
  }
}

extension ClosedChoice where AllCases == [Self] {
  /// The place in the list of all, from 0 on.
  public var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  /// The case at that place.
  public init?(number: Int) {
    guard Self.allCases.indices.contains(number) else { return nil }
    self = Self.allCases[number]
  }
}
