// Where catalogs, products, device groups, devices and consent are kept.

import Foundation
import ServiceAPI

/// A catalog as it is stored.
public struct CatalogRecord: Equatable, Sendable {
  /// A GUID that stays for the life of the catalog.
  public var id: String
  public var reference: CatalogReference
  public var location: String
  public var tags: [String: String]
  public var createdAt: Date
  public var modifiedAt: Date
}

/// A product as it is stored.
public struct ProductRecord: Equatable, Sendable {
  public var id: String
  public var reference: ProductReference
  public var description: String
  public var createdAt: Date
  public var modifiedAt: Date
}

/// A device group as it is stored.
public struct DeviceGroupRecord: Equatable, Sendable {
  public var id: String
  public var reference: DeviceGroupReference
  public var properties: DeviceGroupProperties
  public var createdAt: Date
  public var modifiedAt: Date
}

/// A claimed device.
public struct DeviceRecord: Equatable, Sendable {
  public var id: DeviceID
  public var group: DeviceGroupReference
  public var claimedAt: Date
}

/// What a write did.
public enum WriteOutcome: Equatable, Sendable {
  case created
  case replaced
}

/// A window on a list.
public struct Page: Equatable, Sendable {
  /// Items in front of the window.
  public var offset: Int
  /// The most items in it.
  public var limit: Int

  public init(offset: Int, limit: Int) {
    self.offset = max(0, offset)
    self.limit = max(1, limit)
  }
}

/// The management store. Every write is durable when its call returns.
///
/// Missing parents are reported as ``ServiceFailure`` with 404. Names are compared without regard to
/// case and keep the case they were made with. Lists are ordered by name.
public protocol ManagementStore: Sendable {
  func putCatalog(_ catalog: CatalogReference, _ change: CatalogChange) async throws
    -> (CatalogRecord, WriteOutcome)
  func patchCatalog(_ catalog: CatalogReference, _ change: CatalogChange) async throws
    -> CatalogRecord
  func catalog(_ catalog: CatalogReference) async throws -> CatalogRecord
  /// - Parameter resourceGroup: `nil` lists those of every resource group.
  func catalogs(subscription: String, resourceGroup: String?, page: Page) async throws
    -> [CatalogRecord]
  /// Deletes everything in the catalog and unclaims its devices. Its signing key stays, so that denials
  /// can be signed, and so that a catalog made again under that name has it. False when there was none.
  func deleteCatalog(_ catalog: CatalogReference) async throws -> Bool

  func putProduct(_ product: ProductReference, _ change: ProductChange) async throws
    -> (ProductRecord, WriteOutcome)
  func patchProduct(_ product: ProductReference, _ change: ProductChange) async throws
    -> ProductRecord
  func product(_ product: ProductReference) async throws -> ProductRecord
  func products(in catalog: CatalogReference, page: Page) async throws -> [ProductRecord]
  /// Refuses with 409 while devices are in it. False when there was none.
  func deleteProduct(_ product: ProductReference) async throws -> Bool

  func putDeviceGroup(_ group: DeviceGroupReference, _ change: DeviceGroupChange) async throws
    -> (DeviceGroupRecord, WriteOutcome)
  func patchDeviceGroup(_ group: DeviceGroupReference, _ change: DeviceGroupChange) async throws
    -> DeviceGroupRecord
  func deviceGroup(_ group: DeviceGroupReference) async throws -> DeviceGroupRecord
  func deviceGroups(in product: ProductReference, page: Page) async throws -> [DeviceGroupRecord]
  func deviceGroups(in catalog: CatalogReference, page: Page) async throws -> [DeviceGroupRecord]
  /// Refuses with 409 while devices are in it. False when there was none.
  func deleteDeviceGroup(_ group: DeviceGroupReference) async throws -> Bool

  /// Claims devices into a group. One that is in the group already stays as it is, one from another
  /// group of the same catalog moves. All or none: 409 when one belongs to another catalog, or was
  /// provisioned for another.
  /// - Returns: the number of the operation.
  func claim(_ devices: [DeviceID], into group: DeviceGroupReference) async throws -> String
  func device(_ device: DeviceID, in group: DeviceGroupReference) async throws -> DeviceRecord
  func devices(in group: DeviceGroupReference, page: Page) async throws -> [DeviceRecord]
  func devices(in catalog: CatalogReference, page: Page) async throws -> [DeviceRecord]
  func move(
    _ device: DeviceID, from group: DeviceGroupReference, to target: DeviceGroupReference
  ) async throws -> DeviceRecord
  /// Takes a device out of the catalog. False when it is not in that group.
  func unclaim(_ device: DeviceID, from group: DeviceGroupReference) async throws -> Bool
  func countDevices(in group: DeviceGroupReference) async throws -> Int
  func countDevices(in product: ProductReference) async throws -> Int
  func countDevices(in catalog: CatalogReference) async throws -> Int
  /// Whether an operation of that number was begun in the last day.
  func operationExists(_ id: String) async throws -> Bool

  /// What a board needs to know to belong to a catalog, with a new challenge.
  func provisioningOffer(for catalog: CatalogReference) async throws -> ProvisioningOffer
  /// Registers a device's public key. 409 when it is registered or claimed elsewhere, or the challenge
  /// is not known any more; 422 when the proof does not hold.
  func register(_ device: DeviceID, _ proof: DeviceIdentityProof) async throws
    -> (Registration, WriteOutcome)
  /// The signature of a catalog over `bytes`: ECDSA with P-256 and SHA-256, r then s, 64 bytes.
  /// - Parameter id: ``Registration/signingKeyID``.
  func signature(over bytes: Data, by id: String) async throws -> Data

  /// How things stand with devices, all at the same moment and in their order.
  func standings(of devices: [DeviceID]) async throws -> [DeviceStanding]
  /// Runs `body` while the standing of every device stays as it is: a change of consent, a move or
  /// a deletion commits either before `body` begins, and `body` sees it, or after it ends.
  func holdingStanding<Value: Sendable>(
    of device: DeviceID, _ body: @Sendable (DeviceStanding) async throws -> Value
  ) async throws -> Value
  /// Adds crashes that a device did not capture for want of consent. The same nonce counts once.
  func countUncaptured(_ crashes: UInt32, device: DeviceID, nonce: [UInt8]) async throws
  /// Crashes that a device did not capture for want of consent, all in all.
  func uncapturedCrashes(device: DeviceID) async throws -> Int
  /// Ends the use of the store.
  func close() throws
}

extension ManagementStore {
  /// How things stand with one device.
  func standing(of device: DeviceID) async throws -> DeviceStanding {
    try await standings(of: [device]).first ?? DeviceStanding(device: device, epoch: 0)
  }
}
