// The name of a device: 64 bytes, written as 128 hex digits.

import DumpFormat

/// A device id. Its text is always lower case; upper case is accepted on the way in.
public struct DeviceID: Hashable, Sendable {
  /// Bytes of the id, as they stand in HELLO and in a lease.
  public static let byteCount = 64

  /// 128 hex digits, lower case.
  public let text: String

  /// - Parameter text: 128 hex digits of either case; `nil` for anything else.
  public init?(_ text: some StringProtocol) {
    let text = text.lowercased()
    guard text.utf8.count == 2 * Self.byteCount,
      text.utf8.allSatisfy({ hexValue($0) != nil })
    else { return nil }
    self.text = text
  }

  /// - Parameter bytes: 64 bytes; `nil` for any other number.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    text = bytes.hexDigits
  }

  /// The 64 bytes.
  public var bytes: [UInt8] {
    let digits = text.utf8.map { hexValue($0) ?? 0 }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

/// The value of one ASCII hex digit, `nil` for any other character.
private func hexValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  default: nil
  }
}
