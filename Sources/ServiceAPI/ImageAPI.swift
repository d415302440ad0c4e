// Images of firmware and their deployment to device groups, as the Resource Manager dialect has them.

import Foundation

public struct ImageProperties: Codable, Equatable, Sendable {
  /// A GUID.
  public var imageId: String
  public var imageName: String
  public var regionalDataBoundary: RegionalDataBoundary
  public var description: String
  /// `Applications`: what this service's boards run.
  public var imageType: String
  public var provisioningState: ProvisioningState

  public init(
    imageId: String, regionalDataBoundary: RegionalDataBoundary,
    provisioningState: ProvisioningState = .succeeded
  ) {
    self.imageId = imageId
    imageName = imageId
    self.regionalDataBoundary = regionalDataBoundary
    description = ""
    imageType = "Applications"
    self.provisioningState = provisioningState
  }
}

/// Its name is its id.
public typealias ImageResource = Resource<ImageProperties>

/// The body of PUT on an image and of `uploadImage`.
public struct ImagePut: Codable, Equatable, Sendable {
  public struct Properties: Codable, Equatable, Sendable {
    /// The image's bytes in base64.
    public var image: String
    /// A GUID; in a PUT the same as in the path.
    public var imageId: String?
    /// Where the image is kept: in the EU alone, or in the United States.
    public var regionalDataBoundary: RegionalDataBoundary?

    public init(
      image: String, imageId: String? = nil, regionalDataBoundary: RegionalDataBoundary? = nil
    ) {
      self.image = image
      self.imageId = imageId
      self.regionalDataBoundary = regionalDataBoundary
    }
  }

  public var properties: Properties

  public init(properties: Properties) { self.properties = properties }
}

public struct DeploymentProperties: Codable, Equatable, Sendable {
  /// A GUID.
  public var deploymentId: String
  public var deployedImages: [ImageResource]
  public var deploymentDateUtc: Date
  public var provisioningState: ProvisioningState

  public init(
    deploymentId: String, deployedImages: [ImageResource], deploymentDateUtc: Date,
    provisioningState: ProvisioningState = .succeeded
  ) {
    self.deploymentId = deploymentId
    self.deployedImages = deployedImages
    self.deploymentDateUtc = deploymentDateUtc
    self.provisioningState = provisioningState
  }
}

/// Its name is its id.
public typealias DeploymentResource = Resource<DeploymentProperties>

/// The body of PUT on a deployment.
public struct DeploymentPut: Codable, Equatable, Sendable {
  /// An image that the catalog has.
  public struct Image: Codable, Equatable, Sendable {
    public struct Properties: Codable, Equatable, Sendable {
      public var imageId: String

      public init(imageId: String) { self.imageId = imageId }
    }

    public var properties: Properties

    public init(imageId: String) { properties = Properties(imageId: imageId) }
  }

  public struct Properties: Codable, Equatable, Sendable {
    /// The same as in the path, if it is there.
    public var deploymentId: String?
    public var deployedImages: [Image]

    public init(deploymentId: String? = nil, deployedImages: [Image]) {
      self.deploymentId = deploymentId
      self.deployedImages = deployedImages
    }
  }

  public var properties: Properties

  public init(properties: Properties) { self.properties = properties }
}
