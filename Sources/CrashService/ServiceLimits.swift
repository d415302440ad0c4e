// How many dumps of one kind are enough.

import Foundation

/// Limits on dumps of one fingerprint, in the 29 days that dumps are kept, and on what is done at once.
public struct ServiceLimits: Equatable, Sendable {
  /// Dumps of one fingerprint that a device group has enough with; 0 for no limit.
  public var dumpsPerGroup: Int
  /// Dumps of one fingerprint that a device keeps, and that are taken of it; 0 leaves it to the
  /// device.
  public var dumpsPerDevice: UInt8
  /// Dumps of one fingerprint that a catalog has enough with; 0 for no limit.
  public var dumpsPerFleet: Int
  /// Dumps that are received, opened or stored at the same time; more are refused with 503.
  public var mostIngests: Int

  public init(
    dumpsPerGroup: Int = 10, dumpsPerDevice: UInt8 = 3, dumpsPerFleet: Int = 0,
    mostIngests: Int = 64
  ) {
    self.dumpsPerGroup = dumpsPerGroup
    self.dumpsPerDevice = dumpsPerDevice
    self.dumpsPerFleet = dumpsPerFleet
    self.mostIngests = mostIngests
  }
}
