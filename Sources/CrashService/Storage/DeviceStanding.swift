// What the service knows of a device: who it is, where it is claimed, and whether its dumps are wanted.

import Foundation
import ServiceAPI

/// A device whose public key is known.
public struct Registration: Equatable, Sendable {
  /// X25519, 32 bytes.
  public var publicKey: Data
  /// Which signing key the device pinned.
  public var signingKeyID: String
  /// The catalog that had that key when the device was registered.
  public var catalog: CatalogReference
}

/// Where a device is claimed, and what its group's owner said about its dumps.
public struct Placement: Equatable, Sendable {
  public var device: DeviceID
  public var group: DeviceGroupReference
  /// The ids stay for the life of the catalog, the product and the group.
  public var catalogID: String
  public var productID: String
  public var groupID: String
  public var consent: CrashDumpsCollection
  public var boundary: RegionalDataBoundary

  /// The store of the device's dumps.
  public var region: Region { Region(boundary: boundary, device: device) }
}

/// How things stand with a device at one moment.
public struct DeviceStanding: Equatable, Sendable {
  public var device: DeviceID
  /// `nil` when nobody claimed it.
  public var placement: Placement?
  /// `nil` when its key is not registered.
  public var registration: Registration?
  /// Rises with every change of consent or boundary, with every move, and when the device is unclaimed;
  /// never goes back. So a dump of another epoch than this was taken under a consent that is over.
  public var epoch: UInt32

  public var isKnown: Bool { placement != nil || registration != nil }

  /// Whether dumps of the device may be captured, kept and forwarded.
  public var isAllowed: Bool { placement?.consent == .enabled }

  /// The placement of a device whose owner consents.
  /// - Throws: ``ServiceFailure``: 404 for a device that nobody knows, 403 without consent.
  func consenting() throws(ServiceFailure) -> Placement {
    guard isKnown else { throw .unknownDevice(device) }
    guard let placement else { throw .unclaimed(device) }
    guard isAllowed else { throw .consentNotGiven(group: placement.group.name) }
    return placement
  }
}
