// Crash counts of devices: how they are named, and what becomes of several under one name.

import ServiceAPI

/// A fingerprint on a device: whose crashes are counted together.
public struct CrashName: Hashable, Sendable {
  /// 128 hex digits.
  public var device: String
  /// 16 hex digits.
  public var fingerprint: String
}

/// A count as it is stored.
public struct CrashCount: Equatable, Sendable {
  public var name: CrashName
  public var count: CountRequest.Count

  /// Takes what another report under the same name knows beyond this one. The order of the reports
  /// does not matter.
  mutating func merge(_ other: CountRequest.Count) {
    count.count = max(count.count, other.count)
    count.firstUptimeSeconds = count.firstUptimeSeconds ?? other.firstUptimeSeconds
    if (other.lastBoot, other.lastUptimeSeconds ?? 0)
      > (count.lastBoot, count.lastUptimeSeconds ?? 0)
    {
      count.lastBoot = other.lastBoot
      count.lastUptimeSeconds = other.lastUptimeSeconds
    }
  }
}

extension CrashTotal {
  /// The total of counts with one fingerprint of one device, from wherever they are stored.
  ///
  /// Stores of two regions may both know a count, because a device's group changed its boundary
  /// between two reports: it counts once. `nil` without any: that is not zero crashes.
  init?(_ counts: [CrashCount]) {
    var byFirstBoot: [UInt32: CrashCount] = [:]
    for count in counts {
      byFirstBoot[count.count.firstBoot, default: count].merge(count.count)
    }
    let merged = byFirstBoot.values.map(\.count)
    guard let first = merged.min(by: { $0.firstBoot < $1.firstBoot }),
      let last = merged.max(by: { $0.lastBoot < $1.lastBoot })
    else { return nil }
    self.init(
      count: merged.reduce(0) { $0 + UInt64($1.count) }, firstBoot: first.firstBoot,
      firstUptimeSeconds: first.firstUptimeSeconds, lastBoot: last.lastBoot,
      lastUptimeSeconds: last.lastUptimeSeconds)
  }
}
