// How the fields of a dump are written for people, tables and addresses; for the host alone, because
// firmware has no strings.

#if !hasFeature(Embedded)
  extension Sequence<UInt8> {
    /// Two lower-case hex digits a byte, nothing between them.
    public var hexDigits: String {
      let digits = Array("0123456789abcdef".utf8)
      var text: [UInt8] = []
      for byte in self { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
      return String(decoding: text, as: UTF8.self)
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
