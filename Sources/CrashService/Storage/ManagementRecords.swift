// What the management store keeps, as the routes see it.

import Foundation
import SQLStorage
import ServiceAPI

/// A catalog as it is stored.
struct CatalogRecord: Equatable, Sendable {
  /// A GUID that stays for the life of the catalog.
  var id: String
  var reference: CatalogReference
  var location: String
  var tags: [String: String]
  var authorship: Authorship
}

/// A product as it is stored.
struct ProductRecord: Equatable, Sendable {
  var id: String
  var reference: ProductReference
  var description: String
  var authorship: Authorship
}

/// A device group as it is stored.
struct DeviceGroupRecord: Equatable, Sendable {
  var id: String
  var reference: DeviceGroupReference
  var properties: DeviceGroupProperties
  var authorship: Authorship
}

/// A claimed device.
struct DeviceRecord: Equatable, Sendable {
  var id: DeviceID
  var group: DeviceGroupReference
  var authorship: Authorship
}

/// What a write did.
enum WriteOutcome: Equatable, Sendable {
  case created
  case replaced
}

/// A window on a list.
struct Page: Sendable {
  /// Items in front of the window.
  var offset: Int
  /// The most items in it.
  var limit: Int
  /// What the list is narrowed to; a condition over the columns that the list's ``FilterField``s name.
  var filter: SQLText?

  init(offset: Int, limit: Int) {
    self.offset = max(0, offset)
    self.limit = max(1, limit)
  }
}
