// The regions that dumps are stored in, and the rule that picks one.

import ServiceAPI

/// A region: a store of its own that the dumps of other regions never enter.
public enum Region: String, CaseIterable, Sendable {
  case eu = "EU"
  case usEast = "USEast"
  case usWest = "USWest"

  /// The name of the region's store below the data folder, without an ending. Dump ids begin with
  /// it, so that an id says where its dump is.
  public var storeName: String {
    switch self {
    case .eu: "eu"
    case .usEast: "us-east"
    case .usWest: "us-west"
    }
  }

  /// The regions in which dumps of a group with that boundary are stored.
  static func all(within boundary: RegionalDataBoundary) -> [Region] {
    switch boundary {
    case .eu: [.eu]
    case .unbounded: [.usEast, .usWest]
    }
  }

  /// Where a dump of `device` is stored.
  ///
  /// A group whose boundary is the EU stores in the EU. Without a boundary the last hex digit of
  /// the device id decides, so that a device's dumps stay together: even East US, odd West US.
  public init(boundary: RegionalDataBoundary, device: DeviceID) {
    switch boundary {
    case .eu: self = .eu
    case .unbounded:
      let last = device.text.last?.hexDigitValue ?? 0
      self = last.isMultiple(of: 2) ? .usEast : .usWest
    }
  }
}
