// How many dumps of each fingerprint a device group has, as leases tell it, remembered for a moment.

import Synchronization

/// Numbers by device group and image. A lease may tell what was true a second ago; so a fleet that renews its
/// leases asks the databases once a second for each group, and not for each device.
final class KnownKinds: Sendable {
  /// For how long numbers are told that another process may have changed.
  private static let lifetime: Duration = .seconds(1)
  /// The most groups that are remembered.
  private static let most = 10_000

  private struct Known {
    var numbers: [String: Int]
    var until: ContinuousClock.Instant
  }

  private struct Group {
    var builds: [String: Known] = [:]
    /// Rises with each dump, so that what was read before one is not remembered after it.
    var age: UInt64 = 0
  }

  private let groups = Mutex<[String: Group]>([:])

  /// The numbers of a group's dumps of an image, by fingerprint.
  /// - Parameter read: asks the databases.
  func numbers(
    ofGroup group: String, buildID: String, read: () async throws -> [String: Int]
  ) async throws -> [String: Int] {
    let now = ContinuousClock.now
    let found = groups.withLock { $0[group] } ?? Group()
    if let known = found.builds[buildID], known.until > now { return known.numbers }
    let numbers = try await read()
    groups.withLock { groups in
      if groups.count >= Self.most { groups.removeAll() }
      var current = groups[group, default: Group()]
      guard current.age == found.age else { return }
      current.builds = current.builds.filter { $0.value.until > now }
      current.builds[buildID] = Known(numbers: numbers, until: now + Self.lifetime)
      groups[group] = current
    }
    return numbers
  }

  /// A group got a dump.
  func forget(group: String) {
    groups.withLock { groups in
      let age = groups[group]?.age ?? 0
      groups[group] = Group(age: age + 1)
    }
  }

  /// Dumps were deleted.
  func forgetAll() {
    groups.withLock { groups in groups = groups.mapValues { Group(age: $0.age + 1) } }
  }
}
