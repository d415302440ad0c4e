// Numbers as hexadecimal text, the way reports and signatures show them.

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

extension BuildID {
  /// Whether the image had no id: twenty zeros.
  public var isMissing: Bool { self == BuildID() }
}
