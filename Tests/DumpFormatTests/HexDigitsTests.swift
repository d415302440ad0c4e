// Bytes as hexadecimal digits, and back.

import DumpFormat
import Testing

@Suite struct HexDigitsTests {
  @Test func `every byte is read back as it was written, in either case`() {
    let bytes = (0...255).map(UInt8.init)
    #expect(bytes.hexDigits.hasPrefix("000102") && bytes.hexDigits.hasSuffix("fdfeff"))
    #expect([UInt8](hexDigits: bytes.hexDigits) == bytes)
    #expect([UInt8](hexDigits: bytes.hexDigits.uppercased()) == bytes)
    #expect([UInt8](hexDigits: "") == [])
  }

  @Test(arguments: ["0", "abc", "0g", "0x10", "+1", " 1", "é0", "\u{0}0", "1-"])
  func `anything else is no bytes`(text: String) {
    #expect([UInt8](hexDigits: text) == nil)
  }
}
