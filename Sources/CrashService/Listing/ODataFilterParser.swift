// Reads a filter by recursive descent, and writes the condition that it stands for.

import SQLStorage

struct ODataFilterParser {
  /// The deepest that parentheses and `not` are nested.
  static let deepest = 32

  private let tokens: [ODataToken]
  private let fields: [FilterField]
  private var index = 0
  private var depth = 0
  private var conditions = 0

  /// - Parameter tokens: the last one is the end.
  init(tokens: [ODataToken], fields: [FilterField]) {
    self.tokens = tokens
    self.fields = fields
  }

  private var token: ODataToken { tokens[min(index, tokens.count - 1)] }

  private mutating func advance() -> ODataToken {
    let current = token
    index += 1
    return current
  }

  private func expected(_ what: String) -> ODataFilterFailure {
    ODataFilterFailure("\(what) is expected and not \(token.words)", at: token.position)
  }

  private mutating func take(_ kind: ODataToken.Kind, _ what: String) throws(ODataFilterFailure) {
    guard token.kind == kind else { throw expected(what) }
    index += 1
  }

  /// Whether the next token is that operator; skips it then.
  private mutating func takes(_ operation: String) -> Bool {
    guard case .word(let word) = token.kind, word == operation else { return false }
    index += 1
    return true
  }

  /// The whole filter.
  mutating func whole() throws(ODataFilterFailure) -> SQLText {
    let condition = try alternatives()
    guard token.kind == .end else { throw expected("'and', 'or' or the end") }
    return condition
  }

  private mutating func alternatives() throws(ODataFilterFailure) -> SQLText {
    var condition = try conjunction()
    while takes("or") { condition = "(\(condition) OR \(try conjunction()))" }
    return condition
  }

  private mutating func conjunction() throws(ODataFilterFailure) -> SQLText {
    var condition = try term()
    while takes("and") { condition = "(\(condition) AND \(try term()))" }
    return condition
  }

  private mutating func term() throws(ODataFilterFailure) -> SQLText {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else {
      throw ODataFilterFailure("it is nested more than \(Self.deepest) deep", at: token.position)
    }
    if takes("not") { return "(NOT \(try term()))" }
    if token.kind == .open {
      index += 1
      let condition = try alternatives()
      try take(.close, "')'")
      return condition
    }
    conditions += 1
    guard conditions <= ODataFilter.mostConditions else {
      throw ODataFilterFailure(
        "it has more than \(ODataFilter.mostConditions) conditions", at: token.position)
    }
    if case .word(let word) = token.kind, let search = TextSearch(rawValue: word),
      index + 1 < tokens.count, tokens[index + 1].kind == .open
    {
      index += 2
      return try self.search(search)
    }
    return try comparison()
  }

  // MARK: - Conditions

  private mutating func search(_ search: TextSearch) throws(ODataFilterFailure) -> SQLText {
    let name = advance()
    let field = try field(name)
    try take(.comma, "','")
    let literal = advance()
    guard case .text(let text) = literal.kind else {
      throw ODataFilterFailure(
        "\(search.rawValue) looks for a text in quotes", at: literal.position)
    }
    try take(.close, "')'")
    return try search.condition(field, text, at: name.position)
  }

  private mutating func comparison() throws(ODataFilterFailure) -> SQLText {
    let first = advance()
    let isEqual: Bool
    if takes("eq") {
      isEqual = true
    } else if takes("ne") {
      isEqual = false
    } else {
      // A name that is no field explains more than a missing operator does.
      _ = try isLiteral(first) ? nil : field(first)
      throw expected("'eq' or 'ne'")
    }
    let second = advance()
    let (name, literal) = isLiteral(first) ? (second, first) : (first, second)
    let field = try field(name)
    let (column, value) = try field.operands(literal)
    return isEqual ? "(\(column) = \(value))" : "(\(column) <> \(value))"
  }

  private func isLiteral(_ token: ODataToken) -> Bool {
    switch token.kind {
    case .text: true
    case .word(let word):
      ["true", "false", "null"].contains(word) || word.first?.isNumber == true
        || word.first == "-"
    default: false
    }
  }

  private func field(_ token: ODataToken) throws(ODataFilterFailure) -> FilterField {
    guard case .word(let word) = token.kind else {
      throw ODataFilterFailure(
        "the name of a field is expected and not \(token.words)", at: token.position)
    }
    let prefix = "properties/"
    let lowercase = word.lowercased()
    let name = lowercase.hasPrefix(prefix) ? lowercase.dropFirst(prefix.count) : lowercase[...]
    guard let field = fields.first(where: { $0.name.lowercased() == name }) else {
      throw ODataFilterFailure(
        "\(token.words) is no field that this list is filtered by", at: token.position)
    }
    return field
  }
}

// MARK: - What fields and literals become

extension FilterField {
  /// What stands on both sides of an operator.
  fileprivate func operands(_ literal: ODataToken) throws(ODataFilterFailure) -> (
    SQLText, SQLText
  ) {
    switch (kind, literal.kind) {
    case (.text, .text(let text)): return (column, "\(text)")
    case (.caseless, .text(let text)): return ("lower(\(column))", "\(lowercaseASCII(text))")
    case (.lowercase, .text(let text)): return (column, "\(lowercaseASCII(text))")
    case (.choice(let words), .text(let text)):
      guard let word = words.first(where: { $0.lowercased() == text.lowercased() }) else {
        throw ODataFilterFailure(
          "'\(name)' is one of \(words.joined(separator: ", "))", at: literal.position)
      }
      return (column, "\(word)")
    case (.flag, .word("true")): return (column, "\(1)")
    case (.flag, .word("false")): return (column, "\(0)")
    case (.number, .word(let word)):
      if let number = Int64(word) { return (column, "\(number)") }
    default: break
    }
    throw ODataFilterFailure(
      "'\(name)' is compared with \(literalWords) and not with \(literal.words)",
      at: literal.position)
  }

  private var literalWords: String {
    switch kind {
    case .text, .caseless, .lowercase, .choice: "a text in quotes"
    case .flag: "true or false"
    case .number: "a whole number"
    }
  }
}

/// The functions that look for a text in a field.
private enum TextSearch: String {
  case startswith
  case endswith
  case contains

  /// Not by LIKE: the engines disagree on case, and its wildcards would have to be escaped.
  func condition(_ field: FilterField, _ text: String, at position: Int)
    throws(ODataFilterFailure) -> SQLText
  {
    let column: SQLText
    let wanted: String
    switch field.kind {
    case .text: (column, wanted) = (field.column, text)
    case .caseless: (column, wanted) = ("lower(\(field.column))", lowercaseASCII(text))
    case .lowercase: (column, wanted) = (field.column, lowercaseASCII(text))
    case .choice, .flag, .number:
      throw ODataFilterFailure("\(rawValue) does not apply to '\(field.name)'", at: position)
    }
    guard !wanted.isEmpty else { return "(1 = 1)" }
    // Both engines count code points. Written, not bound: PostgreSQL wants another integer here than
    // those that columns hold.
    let length = SQLText(raw: String(wanted.unicodeScalars.count))
    return switch self {
    case .startswith: "(substr(\(column), 1, \(length)) = \(wanted))"
    case .endswith:
      """
      (length(\(column)) >= \(length)
        AND substr(\(column), length(\(column)) - \(length) + 1) = \(wanted))
      """
    case .contains: "(replace(\(column), \(wanted), '') <> \(column))"
    }
  }
}

/// The text with its ASCII letters in lower case, as `lower` makes them on both engines.
private func lowercaseASCII(_ text: String) -> String {
  String(
    String.UnicodeScalarView(
      text.unicodeScalars.map {
        ("A"..."Z").contains($0) ? Unicode.Scalar(UInt8($0.value) + 32) : $0
      }))
}
