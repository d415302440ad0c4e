// How often devices crashed: as bridges report it, and as operators read it.

import Foundation

/// What a bridge read out of a device's crash counts.
///
/// A count is named by device, fingerprint and first boot, and only grows. So it may be sent any
/// number of times, in any order and by any bridge: the service keeps the largest of each name.
public struct CountRequest: Codable, Equatable, Sendable {
  public struct Count: Codable, Equatable, Sendable {
    /// 16 hex digits.
    public var fingerprint: String
    /// Boot count of the first crash.
    public var firstBoot: UInt32
    /// Uptime at the first crash; absent when not known.
    public var firstUptimeSeconds: UInt32?
    /// Boot count of the latest crash.
    public var lastBoot: UInt32
    /// Uptime at the latest crash; absent when not known.
    public var lastUptimeSeconds: UInt32?
    /// Crashes so far, at least 1, those that left a dump included.
    public var count: UInt32

    public init(
      fingerprint: String, firstBoot: UInt32, firstUptimeSeconds: UInt32?, lastBoot: UInt32,
      lastUptimeSeconds: UInt32?, count: UInt32
    ) {
      self.fingerprint = fingerprint
      self.firstBoot = firstBoot
      self.firstUptimeSeconds = firstUptimeSeconds
      self.lastBoot = lastBoot
      self.lastUptimeSeconds = lastUptimeSeconds
      self.count = count
    }
  }

  /// At most 256.
  public var counts: [Count]

  public init(counts: [Count]) { self.counts = counts }
}

/// Says that counts are stored durably.
public struct CountAnswer: Codable, Equatable, Sendable {
  /// How many counts the request held; all of them are stored.
  public var stored: Int

  public init(stored: Int) { self.stored = stored }
}

/// All crashes with one fingerprint on one device, whether they left a dump or not.
public struct CrashTotal: Codable, Equatable, Sendable {
  public var count: UInt64
  /// Boot count of the first crash.
  public var firstBoot: UInt32
  /// Uptime at the first crash; absent when not known.
  public var firstUptimeSeconds: UInt32?
  /// Boot count of the latest crash.
  public var lastBoot: UInt32
  /// Uptime at the latest crash; absent when not known.
  public var lastUptimeSeconds: UInt32?

  public init(
    count: UInt64, firstBoot: UInt32, firstUptimeSeconds: UInt32?, lastBoot: UInt32,
    lastUptimeSeconds: UInt32?
  ) {
    self.count = count
    self.firstBoot = firstBoot
    self.firstUptimeSeconds = firstUptimeSeconds
    self.lastBoot = lastBoot
    self.lastUptimeSeconds = lastUptimeSeconds
  }
}

/// Paths of the operators' API for devices beside that of the Resource Manager.
///
/// | call | answers |
/// | --- | --- |
/// | `GET /martlet/v1/devices/{id}/crashes` | 200 ``DeviceCrashes``; 404 unknown device |
public enum DeviceCrashesPath {
  public static func crashes(device: String) -> String { "/martlet/v1/devices/\(device)/crashes" }
}

/// How often a device crashed, as far as it was told.
public struct DeviceCrashes: Codable, Equatable, Sendable {
  /// The crashes with one fingerprint.
  public struct Kind: Codable, Equatable, Sendable {
    /// 16 hex digits.
    public var fingerprint: String
    public var total: CrashTotal
    /// Dumps that were offered and not taken, because the device group had enough of them.
    public var skippedDumps: Int

    public init(fingerprint: String, total: CrashTotal, skippedDumps: Int) {
      self.fingerprint = fingerprint
      self.total = total
      self.skippedDumps = skippedDumps
    }
  }

  public var deviceId: String
  /// The sum of all fingerprints; crashes without consent are not among them.
  public var total: UInt64
  /// Crashes of which nothing but their number is known, for want of consent.
  public var uncaptured: UInt64
  /// Dumps that were offered and not taken, of all fingerprints.
  public var skippedDumps: Int
  /// The most frequent first.
  public var fingerprints: [Kind]

  public init(
    deviceId: String, total: UInt64, uncaptured: UInt64, skippedDumps: Int, fingerprints: [Kind]
  ) {
    self.deviceId = deviceId
    self.total = total
    self.uncaptured = uncaptured
    self.skippedDumps = skippedDumps
    self.fingerprints = fingerprints
  }
}
