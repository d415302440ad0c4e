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

extension DumpKey {
  /// `boot-sequence`, as in the service's paths.
  public var text: String { "\(bootCount)-\(sequence)" }
}

extension DeviceID {
  /// 128 hex digits, lower case.
  public var text: String { hex(DeviceID.count) { bytes[$0] } }
}

extension BuildID {
  /// 40 hex digits, lower case.
  public var text: String { hex(BuildID.count) { bytes[$0] } }
}

extension Fingerprint {
  /// 16 hex digits, lower case.
  public var text: String { hex(8) { UInt8(truncatingIfNeeded: rawValue >> (56 - 8 * $0)) } }
}

extension LeaseNonce {
  /// The 16 bytes.
  public var array: [UInt8] { (0..<Self.count).map { bytes[$0] } }
}

extension Hello {
  /// The image's version without its padding.
  public var imageVersionText: String { unpadded(imageVersion) }
}

/// The text of a field that is padded with zeros.
private func unpadded(_ field: InlineArray<16, UInt8>) -> String {
  String(decoding: (0..<16).map { field[$0] }.prefix { $0 != 0 }, as: UTF8.self)
}

/// `count` bytes as hex digits.
private func hex(_ count: Int, _ byte: (Int) -> UInt8) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  text.reserveCapacity(2 * count)
  for i in 0..<count {
    text.append(digits[Int(byte(i) >> 4)])
    text.append(digits[Int(byte(i) & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
