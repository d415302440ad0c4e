// The catalogs that a caller may reach.

import SQLStorage
import ServiceAPI

/// All catalogs, or those of a list.
public enum CatalogGrant: Equatable, Sendable {
  case all
  /// Catalogs need not exist, now or ever.
  case only([CatalogReference])

  /// Whether a catalog is among them. ASCII letters are compared without regard to case, as the store
  /// does, and everything else byte by byte: two names that look the same are two names.
  public func includes(_ catalog: CatalogReference) -> Bool {
    switch self {
    case .all: true
    case .only(let catalogs): catalogs.contains { $0.folded.elementsEqual(catalog.folded) }
    }
  }

  /// Whether a catalog of that name is among them, wherever it lies.
  func includes(catalogNamed name: String) -> Bool {
    switch self {
    case .all: true
    case .only(let catalogs):
      catalogs.contains { $0.name.asciiLowercased.utf8.elementsEqual(name.asciiLowercased.utf8) }
    }
  }
}

extension CatalogGrant {
  /// What holds of the rows of `catalogs` that are among them.
  var condition: SQLText {
    guard case .only(let catalogs) = self else { return "1 = 1" }
    let each = catalogs.map { catalog -> SQLText in
      """
      (lower(subscription) = \(catalog.scope.subscription.asciiLowercased)
      AND lower(resourceGroup) = \(catalog.scope.resourceGroup.asciiLowercased)
      AND lower(name) = \(catalog.name.asciiLowercased))
      """
    }
    return each.isEmpty ? "1 = 0" : "(" + each.joined(separator: " OR ") + ")"
  }
}

extension CatalogReference {
  /// No part of a reference has a slash, so that no two of them fold to the same.
  fileprivate var folded: [UInt8] {
    Array("\(scope.subscription)/\(scope.resourceGroup)/\(name)".asciiLowercased.utf8)
  }
}
