// The name of a dump everywhere, and how ids are written for people and for the service.

import DumpFormat
import LinkProtocol

/// Device, boot count and sequence: what makes a dump the same dump however often it is sent.
public struct DumpIdentity: Hashable, Sendable, CustomStringConvertible {
  /// 128 hex digits.
  public var device: String
  public var key: DumpKey

  public init(device: String, key: DumpKey) {
    self.device = device
    self.key = key
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(device)
    hasher.combine(key.bootCount)
    hasher.combine(key.sequence)
  }

  /// Short enough for a log line: the device's first digits, boot count and sequence.
  public var description: String { "\(device.prefix(12)) \(key.text)" }
}

extension DeviceID {
  /// 128 hex digits, lower case.
  public var text: String { bytes.array.hexDigits }
}

extension LeaseNonce {
  /// The 16 bytes.
  public var array: [UInt8] { bytes.array }
}

extension Hello {
  /// The image's version without its padding.
  public var imageVersionText: String { imageVersion.unpaddedText }
}
