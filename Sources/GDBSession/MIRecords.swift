// The little of gdb's machine interface that a backtrace needs.

/// A value of gdb's machine interface: text, a tuple or a list.
enum MIValue: Equatable {
  case text(String)
  case tuple([String: MIValue])
  case list([MIValue])

  subscript(name: String) -> MIValue? {
    if case .tuple(let fields) = self { fields[name] } else { nil }
  }

  var text: String? { if case .text(let text) = self { text } else { nil } }

  var items: [MIValue] { if case .list(let items) = self { items } else { [] } }
}

/// Reads the results of one `^done` record, such as `stack=[frame={level="0",addr="0x42"}]`.
///
/// Any text is safe to pass: nesting is bounded, and what does not parse gives `nil`.
struct MIParser {
  private static let deepest = 16
  private var rest: Substring.UTF8View

  private init(_ text: Substring) { rest = text.utf8 }

  /// The results of a line that begins with `^done`; `nil` for any other.
  static func results(of line: Substring) -> MIValue? {
    guard line.hasPrefix("^done") else { return nil }
    var parser = MIParser(line.dropFirst(5))
    var fields: [String: MIValue] = [:]
    while parser.take(",") {
      guard let (name, value) = parser.result(depth: 0) else { return nil }
      fields[name] = value
    }
    return .tuple(fields)
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard rest.first == UInt8(ascii: character) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func result(depth: Int) -> (String, MIValue)? {
    let name = rest.prefix { $0 != UInt8(ascii: "=") }
    rest = rest.dropFirst(name.count)
    guard take("="), let value = value(depth: depth), let name = String(name) else { return nil }
    return (name, value)
  }

  private mutating func value(depth: Int) -> MIValue? {
    guard depth < Self.deepest else { return nil }
    if take("\"") { return string().map(MIValue.text) }
    if take("{") {
      var fields: [String: MIValue] = [:]
      if take("}") { return .tuple(fields) }
      repeat {
        guard let (name, value) = result(depth: depth + 1) else { return nil }
        fields[name] = value
      } while take(",")
      return take("}") ? .tuple(fields) : nil
    }
    if take("[") {
      var items: [MIValue] = []
      if take("]") { return .list(items) }
      repeat {
        // A list holds values or results; the names of results say nothing new.
        let isValue = rest.first.map { "\"{[".utf8.contains($0) } ?? false
        let item = isValue ? value(depth: depth + 1) : result(depth: depth + 1)?.1
        guard let item else { return nil }
        items.append(item)
      } while take(",")
      return take("]") ? .list(items) : nil
    }
    return nil
  }

  /// The rest of a C string up to its closing quote.
  private mutating func string() -> String? {
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      guard let escaped = rest.popFirst() else { return nil }
      switch escaped {
      case UInt8(ascii: "n"): bytes.append(10)
      case UInt8(ascii: "t"): bytes.append(9)
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        var value = Int(escaped - UInt8(ascii: "0"))
        for _ in 0..<2 {
          guard let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit)
          else { break }
          value = value * 8 + Int(digit - UInt8(ascii: "0"))
          rest.removeFirst()
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
      default: bytes.append(escaped)
      }
    }
    return nil
  }
}
