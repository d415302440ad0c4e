// How the fields of a dump are written for people, tables and addresses; for the host alone, because
// firmware has no strings.

#if !hasFeature(Embedded)
  extension Sequence<UInt8> {
    /// Two lower-case hex digits a byte, nothing between them.
    @inlinable public var hexDigits: String {
      func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
      }
      var text: [UInt8] = []
      text.reserveCapacity(2 * underestimatedCount)
      for byte in self {
        text.append(digit(byte >> 4))
        text.append(digit(byte & 15))
      }
      return String(decoding: text, as: UTF8.self)
    }
  }

  extension [UInt8] {
    /// The bytes that hexadecimal digits of either case stand for, two each.
    /// - Parameter text: `nil` for an odd number of digits or anything else in it.
    @inlinable public init?(hexDigits text: some StringProtocol) {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(text.utf8.count / 2)
      var high: UInt8?
      for character in text.utf8 {
        let digit: UInt8
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
        default: return nil
        }
        if let first = high {
          bytes.append(first << 4 | digit)
          high = nil
        } else {
          high = digit
        }
      }
      guard high == nil else { return nil }
      self = bytes
    }
  }

  extension InlineArray where Element == UInt8 {
    /// The bytes as an array.
    public var array: [UInt8] { indices.map { self[$0] } }

    /// The text of a field that is padded with zeros. Bytes that are not UTF-8 are replaced.
    public var unpaddedText: String { String(decoding: array.prefix { $0 != 0 }, as: UTF8.self) }
  }

  extension BuildID {
    /// 40 hex digits.
    public var hexDigits: String { bytes.array.hexDigits }
  }

  extension Fingerprint {
    /// 16 hex digits.
    public var hexDigits: String {
      withUnsafeBytes(of: rawValue.bigEndian) { $0.hexDigits }
    }
  }

  extension DumpKey {
    /// `bootCount-sequence`, as in the service's paths.
    public var text: String { "\(bootCount)-\(sequence)" }
  }
#endif
