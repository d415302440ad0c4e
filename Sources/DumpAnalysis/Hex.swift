// Numbers and bytes as hexadecimal text, the way reports and signatures show them.

import DumpFormat

extension FixedWidthInteger {
  /// `0x0000abcd`, padded to the number's width.
  public var hex: String { "0x" + bareHex }

  /// `0000abcd`, padded to the number's width.
  public var bareHex: String {
    let digits = String(self, radix: 16)
    return String(repeating: "0", count: Swift.max(0, Self.bitWidth / 4 - digits.count)) + digits
  }
}

extension Sequence<UInt8> {
  /// Two digits a byte, nothing between them.
  public var hexDigits: String { map(\.bareHex).joined() }
}

extension BuildID {
  /// The 20 bytes as an array.
  public var array: [UInt8] { (0..<Self.count).map { bytes[$0] } }

  /// 40 hexadecimal digits.
  public var hexDigits: String { array.hexDigits }

  /// Whether the image had no id: twenty zeros.
  public var isMissing: Bool { self == BuildID() }
}
