// What identifies a dump on its device.

/// A dump's name on its device. With the device id it is the dump's identity everywhere.
public struct DumpKey: Hashable, Sendable {
  /// Count of the boot that crashed.
  public var bootCount: UInt32
  /// Number of the record within that boot, from 1. A key of two zeros lies before every dump.
  public var sequence: UInt32

  public init(bootCount: UInt32, sequence: UInt32) {
    self.bootCount = bootCount
    self.sequence = sequence
  }
}

extension DumpKey: Comparable {
  public static func < (a: DumpKey, b: DumpKey) -> Bool {
    a.bootCount != b.bootCount ? a.bootCount < b.bootCount : a.sequence < b.sequence
  }
}
