// Console text made harmless for a terminal: a board must not move the cursor or retitle a window.

/// Makes bytes of a board into text that a terminal only shows.
///
/// Kept are line ends, tabs and printable UTF-8. A carriage return before a line end goes. Every other
/// control character is shown as its picture (Unicode block 2400), those of the C1 set, and those that
/// turn the direction of writing (Unicode Standard Annex 9), as their number; what is no UTF-8 as
/// U+FFFD.
public struct TerminalText: Sendable {
  /// Bytes of a character whose end has not come.
  private var held: [UInt8] = []

  public init() {}

  /// All of a text at once, such as a field of a table: line ends are shown as pictures, too.
  public static func field(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.flatMap { shown($0) ?? picture($0) }))
  }

  /// The next text to show. The beginning of a character is held back until its rest comes, or until
  /// something comes that is not its rest.
  public mutating func receive(_ bytes: some Collection<UInt8>) -> String {
    held.append(contentsOf: bytes)
    let ready = held.count - Self.openEnd(of: held)
    let text = String(decoding: held[..<ready], as: UTF8.self)
    held.removeSubrange(..<ready)
    var result = String.UnicodeScalarView()
    var isAfterReturn = false
    for scalar in text.unicodeScalars {
      if isAfterReturn, scalar != "\n" { result.append("\u{240D}") }
      isAfterReturn = scalar == "\r"
      if isAfterReturn { continue }
      if scalar == "\n" {
        result.append(scalar)
      } else {
        result.append(contentsOf: Self.shown(scalar) ?? Self.picture(scalar))
      }
    }
    if isAfterReturn {
      // The line end may be on its way.
      held.insert(UInt8(ascii: "\r"), at: 0)
    }
    return String(result)
  }

  /// How many of the last bytes are the beginning of one character.
  private static func openEnd(of bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let byte = bytes[bytes.count - count]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > count ? count : 0
    }
    return 0
  }

  /// The scalar as it is, when a terminal only shows it.
  private static func shown(_ scalar: Unicode.Scalar) -> [Unicode.Scalar]? {
    if 0x20...0x7E ~= scalar.value { return [scalar] }
    return switch scalar.properties.generalCategory {
    case .control: scalar == "\t" ? [scalar] : nil
    case .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
      // Joiners make up letters of some scripts and are harmless.
      scalar == "\u{200C}" || scalar == "\u{200D}" ? [scalar] : nil
    default: [scalar]
    }
  }

  private static func picture(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    switch scalar.value {
    case 0...0x1F: Unicode.Scalar(0x2400 + scalar.value).map { [$0] } ?? []
    case 0x7F: ["\u{2421}"]
    default: Array("<U+\(String(scalar.value, radix: 16, uppercase: true))>".unicodeScalars)
    }
  }
}
