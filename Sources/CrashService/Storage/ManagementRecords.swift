// What the management store keeps, as the routes see it.

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
