// Devices whose dumps lie in more regions than one.

import ServiceAPI

/// Remembers which other regions have dumps of a device. That changes with the boundary of its group
/// alone, and then its epoch rises; so most dumps are stored without a question to other regions.
final class Strays: Sendable {
  private struct Known {
    var region: Region
    var epoch: UInt32
    var others: Set<Region>
  }

  private let known = BoundedCache<DeviceID, Known>(most: 50_000)

  /// The other stores that have a dump of the device.
  /// - Parameter epoch: the device's, ``DeviceStanding/epoch``.
  func stores(besides placement: Placement, epoch: UInt32, of all: [DumpStore]) async throws
    -> [DumpStore]
  {
    let device = placement.device
    if let found = known[device], found.region == placement.region, found.epoch == epoch {
      return all.filter { found.others.contains($0.region) }
    }
    var holding: [DumpStore] = []
    for store in all where store.region != placement.region {
      if try await store.holdsAny(of: device) { holding.append(store) }
    }
    let others = Set(holding.map(\.region))
    known.keep(Known(region: placement.region, epoch: epoch, others: others), as: device)
    return holding
  }
}
