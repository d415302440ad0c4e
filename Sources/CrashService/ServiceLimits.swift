// How many dumps of one kind are enough.

import Foundation

/// Limits on dumps of one fingerprint.
public struct ServiceLimits: Equatable, Sendable {
  /// How far back dumps are counted, seconds: 29 days.
  static let period: TimeInterval = 29 * 86_400

  /// Dumps of one fingerprint that a device group has enough with, in 29 days; 0 for no limit.
  public var dumpsPerGroup: Int
  /// Dumps of one fingerprint that a device keeps; 0 leaves it to the device.
  public var dumpsPerDevice: UInt8

  public init(dumpsPerGroup: Int = 10, dumpsPerDevice: UInt8 = 3) {
    self.dumpsPerGroup = dumpsPerGroup
    self.dumpsPerDevice = dumpsPerDevice
  }
}
