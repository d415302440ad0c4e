// The resources of the management API: catalogs, products, device groups, devices.

import Foundation

/// Who made a resource and who changed it last, and when. Absent parts are not known.
public struct SystemData: Codable, Equatable, Sendable {
  /// The kind of somebody who has a token or a certificate.
  public static let application = "Application"

  /// As the service names callers in its log, such as `token 3f0c`.
  public var createdBy: String?
  public var createdByType: String?
  public var createdAt: Date?
  public var lastModifiedBy: String?
  public var lastModifiedByType: String?
  public var lastModifiedAt: Date?

  public init(
    createdBy: String? = nil, createdAt: Date?, lastModifiedBy: String? = nil, lastModifiedAt: Date?
  ) {
    self.createdBy = createdBy
    createdByType = createdBy.map { _ in Self.application }
    self.createdAt = createdAt
    self.lastModifiedBy = lastModifiedBy
    lastModifiedByType = lastModifiedBy.map { _ in Self.application }
    self.lastModifiedAt = lastModifiedAt
  }
}

/// A resource with an address, a name and properties, as the Resource Manager shows it.
public struct Resource<Properties: Codable & Equatable & Sendable>: Codable, Equatable, Sendable {
  /// The path of the resource.
  public var id: String
  public var name: String
  /// Such as `Microsoft.AzureSphere/catalogs`.
  public var type: String
  /// Catalogs alone have one.
  public var location: String?
  /// Catalogs alone have them.
  public var tags: [String: String]?
  public var systemData: SystemData?
  public var properties: Properties

  public init(
    id: String, name: String, type: String, location: String? = nil, tags: [String: String]? = nil,
    systemData: SystemData? = nil, properties: Properties
  ) {
    self.id = id
    self.name = name
    self.type = type
    self.location = location
    self.tags = tags
    self.systemData = systemData
    self.properties = properties
  }
}

public struct CatalogProperties: Codable, Equatable, Sendable {
  /// A GUID that stays for the life of the catalog.
  public var tenantId: String
  public var provisioningState: ProvisioningState

  public init(tenantId: String, provisioningState: ProvisioningState = .succeeded) {
    self.tenantId = tenantId
    self.provisioningState = provisioningState
  }
}

public struct ProductProperties: Codable, Equatable, Sendable {
  public var description: String
  public var provisioningState: ProvisioningState

  public init(description: String, provisioningState: ProvisioningState = .succeeded) {
    self.description = description
    self.provisioningState = provisioningState
  }
}

public struct DeviceGroupProperties: Codable, Equatable, Sendable {
  public var description: String
  public var osFeedType: OSFeedType
  public var updatePolicy: UpdatePolicy
  public var allowCrashDumpsCollection: CrashDumpsCollection
  public var regionalDataBoundary: RegionalDataBoundary
  public var hasDeployment: Bool
  /// For how many days dumps of the group are kept, 1 to 29. Not of the Resource Manager's dialect.
  public var crashDumpRetentionDays: Int
  public var provisioningState: ProvisioningState

  /// What a group has when nobody said otherwise: consent off, no boundary.
  public init(
    description: String = "", osFeedType: OSFeedType = .retail,
    updatePolicy: UpdatePolicy = .updateAll,
    allowCrashDumpsCollection: CrashDumpsCollection = .disabled,
    regionalDataBoundary: RegionalDataBoundary = .unbounded, hasDeployment: Bool = false,
    crashDumpRetentionDays: Int = 29, provisioningState: ProvisioningState = .succeeded
  ) {
    self.description = description
    self.osFeedType = osFeedType
    self.updatePolicy = updatePolicy
    self.allowCrashDumpsCollection = allowCrashDumpsCollection
    self.regionalDataBoundary = regionalDataBoundary
    self.hasDeployment = hasDeployment
    self.crashDumpRetentionDays = crashDumpRetentionDays
    self.provisioningState = provisioningState
  }
}

public struct DeviceProperties: Codable, Equatable, Sendable {
  /// 128 hex digits.
  public var deviceId: String
  public var chipSku: String?
  public var provisioningState: ProvisioningState

  public init(
    deviceId: String, chipSku: String? = nil, provisioningState: ProvisioningState = .succeeded
  ) {
    self.deviceId = deviceId
    self.chipSku = chipSku
    self.provisioningState = provisioningState
  }
}

public typealias CatalogResource = Resource<CatalogProperties>
public typealias ProductResource = Resource<ProductProperties>
public typealias DeviceGroupResource = Resource<DeviceGroupProperties>
public typealias DeviceResource = Resource<DeviceProperties>

/// A page of resources.
public struct ResourceList<Item: Codable & Equatable & Sendable>: Codable, Equatable, Sendable {
  public var value: [Item]
  /// Where the next page is; absent on the last.
  public var nextLink: String?

  public init(value: [Item], nextLink: String? = nil) {
    self.value = value
    self.nextLink = nextLink
  }
}

// MARK: - What callers send

/// The body of PUT and PATCH on a catalog.
public struct CatalogChange: Codable, Equatable, Sendable {
  public var location: String?
  public var tags: TagChange?

  public init(location: String? = nil, tags: TagChange? = nil) {
    self.location = location
    self.tags = tags
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    location = try container.decodeIfPresent(String.self, forKey: .location)
    tags = try container.patch(.tags, null: .removeAll)
  }
}

/// The body of PUT and PATCH on a product.
public struct ProductChange: Codable, Equatable, Sendable {
  public struct Properties: Codable, Equatable, Sendable {
    public var description: String?

    public init(description: String? = nil) { self.description = description }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      description = try container.patch(.description, null: "")
    }
  }

  public var properties: Properties?

  public init(description: String? = nil) { properties = Properties(description: description) }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    properties = try container.patch(.properties, null: Properties(description: ""))
  }
}

/// The body of PUT and PATCH on a device group. What is absent becomes the default in a PUT and
/// stays as it is in a PATCH.
public struct DeviceGroupChange: Codable, Equatable, Sendable {
  public struct Properties: Codable, Equatable, Sendable {
    public var description: String?
    public var osFeedType: OSFeedType?
    public var updatePolicy: UpdatePolicy?
    public var allowCrashDumpsCollection: CrashDumpsCollection?
    public var regionalDataBoundary: RegionalDataBoundary?
    /// 1 to 29 days. It stays as it is in a PUT as well: whoever does not know of it must not
    /// lengthen it.
    public var crashDumpRetentionDays: Int?

    public init(
      description: String? = nil, osFeedType: OSFeedType? = nil, updatePolicy: UpdatePolicy? = nil,
      allowCrashDumpsCollection: CrashDumpsCollection? = nil,
      regionalDataBoundary: RegionalDataBoundary? = nil, crashDumpRetentionDays: Int? = nil
    ) {
      self.description = description
      self.osFeedType = osFeedType
      self.updatePolicy = updatePolicy
      self.allowCrashDumpsCollection = allowCrashDumpsCollection
      self.regionalDataBoundary = regionalDataBoundary
      self.crashDumpRetentionDays = crashDumpRetentionDays
    }

    /// Everything as it is in a new group.
    static var initial: Properties {
      let initial = DeviceGroupProperties()
      return Properties(
        description: initial.description, osFeedType: initial.osFeedType,
        updatePolicy: initial.updatePolicy,
        allowCrashDumpsCollection: initial.allowCrashDumpsCollection,
        regionalDataBoundary: initial.regionalDataBoundary,
        crashDumpRetentionDays: initial.crashDumpRetentionDays)
    }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      let initial = DeviceGroupProperties()
      description = try container.patch(.description, null: initial.description)
      osFeedType = try container.patch(.osFeedType, null: initial.osFeedType)
      updatePolicy = try container.patch(.updatePolicy, null: initial.updatePolicy)
      allowCrashDumpsCollection = try container.patch(
        .allowCrashDumpsCollection, null: initial.allowCrashDumpsCollection)
      regionalDataBoundary = try container.patch(
        .regionalDataBoundary, null: initial.regionalDataBoundary)
      crashDumpRetentionDays = try container.patch(
        .crashDumpRetentionDays, null: initial.crashDumpRetentionDays)
    }
  }

  public var properties: Properties?

  public init(properties: Properties = Properties()) { self.properties = properties }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    properties = try container.patch(.properties, null: .initial)
  }
}

/// The body of PATCH on a device: moves it.
public struct DeviceChange: Codable, Equatable, Sendable {
  public struct Properties: Codable, Equatable, Sendable {
    /// The resource id of the group that the device goes to; ``unassigned`` for the group of devices
    /// that are in no other, which null stands for.
    public var deviceGroupId: String?

    public static let unassigned = ""

    public init(deviceGroupId: String?) { self.deviceGroupId = deviceGroupId }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      deviceGroupId = try container.patch(.deviceGroupId, null: Self.unassigned)
      if try container.decodeIfPresent(String.self, forKey: .deviceGroupId)?.isEmpty == true {
        throw DecodingError.dataCorruptedError(
          forKey: .deviceGroupId, in: container, debugDescription: "an id is not empty")
      }
    }
  }

  public var properties: Properties?

  public init(deviceGroupId: String?) { properties = Properties(deviceGroupId: deviceGroupId) }
}

/// The body of `claimDevices`.
public struct ClaimDevicesRequest: Codable, Equatable, Sendable {
  /// 128 hex digits each, at most 1,000.
  public var deviceIdentifiers: [String]

  public init(deviceIdentifiers: [String]) { self.deviceIdentifiers = deviceIdentifiers }
}

/// The body of `listDeviceGroups`.
public struct ListDeviceGroupsRequest: Codable, Equatable, Sendable {
  /// Lists the groups of this name alone.
  public var deviceGroupName: String?

  public init(deviceGroupName: String? = nil) { self.deviceGroupName = deviceGroupName }
}

/// The answer of `countDevices`.
public struct CountDevicesAnswer: Codable, Equatable, Sendable {
  public var value: Int

  public init(value: Int) { self.value = value }
}

/// What an operation's status address answers.
public struct OperationStatus: Codable, Equatable, Sendable {
  public var id: String
  public var name: String
  public var status: ProvisioningState

  public init(id: String, name: String, status: ProvisioningState) {
    self.id = id
    self.name = name
    self.status = status
  }
}
