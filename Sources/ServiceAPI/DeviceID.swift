// The name of a device: 64 bytes, written as 128 hex digits.

import DumpFormat

/// A device id. Its text is always lower case; upper case is accepted on the way in.
public struct DeviceID: Hashable, Sendable {
  /// Bytes of the id, as they stand in HELLO and in a lease.
  public static let byteCount = 64

  /// 128 hex digits, lower case.
  public let text: String

  /// - Parameter text: 128 hex digits of either case; `nil` for anything else.
  public init?(_ text: some StringProtocol) { self.init(String(text)) }

  /// - Parameter text: 128 hex digits of either case; `nil` for anything else.
  public init?(_ text: String) {
    guard text.utf8.count == 2 * Self.byteCount else { return nil }
    var hasUpperCase = false
    for digit in text.utf8 {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): break
      case UInt8(ascii: "A")...UInt8(ascii: "F"): hasUpperCase = true
      default: return nil
      }
    }
    self.text = hasUpperCase ? text.lowercased() : text
  }

  /// - Parameter bytes: 64 bytes; `nil` for any other number.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    text = bytes.hexDigits
  }

  /// The 64 bytes.
  public var bytes: [UInt8] { [UInt8](hexDigits: text) ?? [] }
}
