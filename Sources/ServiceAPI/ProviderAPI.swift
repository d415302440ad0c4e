// What the Resource Manager dialect says of itself, and requests for what there is not.

/// Something that may be done with a kind of resource.
public struct ProviderOperation: Codable, Equatable, Sendable {
  public struct Display: Codable, Equatable, Sendable {
    public var provider: String
    public var resource: String
    public var operation: String
    public var description: String

    public init(provider: String, resource: String, operation: String, description: String) {
      self.provider = provider
      self.resource = resource
      self.operation = operation
      self.description = description
    }
  }

  /// Such as `Microsoft.AzureSphere/catalogs/read`.
  public var name: String
  public var isDataAction: Bool
  public var display: Display

  public init(name: String, isDataAction: Bool = false, display: Display) {
    self.name = name
    self.isDataAction = isDataAction
    self.display = display
  }
}

/// The body of PUT on a device.
public struct DevicePut: Codable, Equatable, Sendable {
  public struct Properties: Codable, Equatable, Sendable {
    /// The same as in the path, if it is there.
    public var deviceId: String?

    public init(deviceId: String? = nil) { self.deviceId = deviceId }
  }

  public var properties: Properties?

  public init(deviceId: String? = nil) { properties = Properties(deviceId: deviceId) }
}

/// The body of `generateCapabilityImage`.
public struct CapabilityRequest: Codable, Equatable, Sendable {
  public var capabilities: [String]

  public init(capabilities: [String]) { self.capabilities = capabilities }
}
