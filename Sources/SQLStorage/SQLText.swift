// SQL with the values it binds: what stores hand to a connection.

/// A statement, or a part of one. What is interpolated is bound and never becomes text:
///
///     let request: SQLText = "SELECT name FROM devices WHERE id = \(id)"
///
/// Another ``SQLText`` that is interpolated becomes a part of this one. The text is written in what SQLite
/// and PostgreSQL both understand; where they differ, ``SQLEngine`` has the words.
public struct SQLText: Sendable {
  enum Part: Sendable {
    case text(String)
    case value(SQLValue)
  }

  private(set) var parts: [Part]
  /// Whether it is planned anew for the values of each time.
  private(set) var isPlannedForItsValues = false

  /// Rows of a table of values, as they stand behind `VALUES`.
  /// - Parameters:
  ///   - rows: with as many values as there are types.
  ///   - types: of the columns. PostgreSQL takes them from the first row, which has no others to go by.
  init(rows: some Sequence<[any SQLConvertible]>, of types: [SQLText]) {
    parts = []
    for row in rows {
      let isFirst = parts.isEmpty
      for (column, value) in row.enumerated() {
        let separator = column > 0 ? ", " : isFirst ? "(" : "), ("
        if isFirst {
          parts += [.text(separator + "CAST("), .value(value.sqlValue), .text(" AS ")]
          parts += types[column].parts + [.text(")")]
        } else {
          parts += [.text(separator), .value(value.sqlValue)]
        }
      }
    }
    if !parts.isEmpty { parts.append(.text(")")) }
  }

  /// Text alone. Never make it from what came from outside.
  public init(raw text: String) { parts = [.text(text)] }

  public static func + (first: SQLText, second: SQLText) -> SQLText {
    var both = first
    both += second
    return both
  }

  public static func += (first: inout SQLText, second: SQLText) {
    first.parts += second.parts
    first.isPlannedForItsValues = first.isPlannedForItsValues || second.isPlannedForItsValues
  }

  /// The statement for values that decide how it is best answered, such as bounds: PostgreSQL, which plans
  /// once for any values what is asked often, looks at the values each time. SQLite is not concerned.
  public var plannedForItsValues: SQLText {
    var text = self
    text.isPlannedForItsValues = true
    return text
  }

  /// The statement and its values, in order.
  /// - Parameter placeholder: writes the place of the value with that number, from 1 on.
  /// - Throws: ``SQLFailure`` with `unstorableText`, on either engine.
  func rendered(placeholder: (Int) -> String) throws(SQLFailure) -> (
    text: String, values: [SQLValue]
  ) {
    var text = ""
    var values: [SQLValue] = []
    for part in parts {
      switch part {
      case .text(let piece): text += piece
      case .value(let value):
        try value.checkStorable()
        values.append(value)
        text += placeholder(values.count)
      }
    }
    return (text, values)
  }
}

extension SQLText: ExpressibleByStringInterpolation {
  public init(stringLiteral value: String) { self.init(raw: value) }

  public init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var parts: [Part] = []

    public init(literalCapacity: Int, interpolationCount: Int) {
      parts.reserveCapacity(2 * interpolationCount + 1)
    }

    public mutating func appendLiteral(_ literal: String) {
      if !literal.isEmpty { parts.append(.text(literal)) }
    }

    /// Binds a value; `nil` binds NULL.
    public mutating func appendInterpolation(_ value: (some SQLConvertible)?) {
      parts.append(.value(value?.sqlValue ?? .null))
    }

    public mutating func appendInterpolation(_ part: SQLText) { parts += part.parts }
  }
}

extension Sequence where Element == SQLText {
  /// The texts with `separator` between them.
  public func joined(separator: String) -> SQLText {
    var all = SQLText(raw: "")
    for (index, text) in enumerated() {
      if index > 0 { all += SQLText(raw: separator) }
      all += text
    }
    return all
  }
}

extension Sequence where Element: SQLConvertible {
  /// The values as a list in parentheses, for `IN`. SQL has no empty list: without values it is one
  /// that holds NULL, which nothing equals.
  public var sqlList: SQLText {
    let values = map { SQLText("\($0)") }
    return values.isEmpty ? "(NULL)" : "(" + values.joined(separator: ", ") + ")"
  }
}

extension [SQLText] {
  /// Rows of values in groups of 64, 32, 16 and so on, separated by commas: so few texts are to be prepared, and
  /// none of rows with up to 500 values binds more than an engine takes.
  public var inStatements: [SQLText] {
    inGroupsOfFewSizes.map { $0.joined(separator: ", ") }
  }
}

extension Array {
  /// Groups of 64, 32, 16 and so on, in the order of the elements.
  var inGroupsOfFewSizes: [ArraySlice<Element>] {
    var groups: [ArraySlice<Element>] = []
    var rest = self[...]
    while !rest.isEmpty {
      let size = Swift.min(64, 1 << (Int.bitWidth - 1 - rest.count.leadingZeroBitCount))
      groups.append(rest.prefix(size))
      rest = rest.dropFirst(size)
    }
    return groups
  }
}
