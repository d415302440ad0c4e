// The catalogs that a caller may reach.

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
      catalogs.contains { foldedBytes($0.name).elementsEqual(foldedBytes(name)) }
    }
  }
}

extension CatalogReference {
  /// No part of a reference has a slash, so that no two of them fold to the same.
  fileprivate var folded: [UInt8] {
    foldedBytes("\(scope.subscription)/\(scope.resourceGroup)/\(name)")
  }
}

private func foldedBytes(_ text: String) -> [UInt8] {
  text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
}
