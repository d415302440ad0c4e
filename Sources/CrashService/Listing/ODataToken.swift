// The words of a filter.

/// A piece of a filter and where it begins, counted in characters from 1.
struct ODataToken: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    /// A name, an operator or a literal without quotes.
    case word(String)
    /// Text between quotes, without them.
    case text(String)
    case open
    case close
    case comma
    case end
  }

  var kind: Kind
  var position: Int

  /// How error messages name it.
  var words: String {
    switch kind {
    case .word(let word): "'\(word.prefix(40))'"
    case .text: "a text"
    case .open: "'('"
    case .close: "')'"
    case .comma: "','"
    case .end: "the end"
    }
  }

  /// Splits a filter; the last token is always the end.
  static func all(in filter: String) throws(ODataFilterFailure) -> [ODataToken] {
    var tokens: [ODataToken] = []
    let characters = Array(filter)
    var index = 0
    while index < characters.count {
      let position = index + 1
      switch characters[index] {
      case " ": index += 1
      case "(":
        tokens.append(ODataToken(kind: .open, position: position))
        index += 1
      case ")":
        tokens.append(ODataToken(kind: .close, position: position))
        index += 1
      case ",":
        tokens.append(ODataToken(kind: .comma, position: position))
        index += 1
      case "'":
        let text = try quoted(characters, &index)
        tokens.append(ODataToken(kind: .text(text), position: position))
      case let character where isOfWord(character):
        let start = index
        while index < characters.count, isOfWord(characters[index]) { index += 1 }
        tokens.append(
          ODataToken(kind: .word(String(characters[start..<index])), position: position))
      default:
        throw ODataFilterFailure("nothing begins with this character", at: position)
      }
    }
    tokens.append(ODataToken(kind: .end, position: characters.count + 1))
    return tokens
  }

  /// Reads a text from its quote on; a quote inside of it is written twice.
  private static func quoted(_ characters: [Character], _ index: inout Int)
    throws(ODataFilterFailure) -> String
  {
    let start = index
    var text = ""
    index += 1
    while index < characters.count {
      let character = characters[index]
      index += 1
      if character == "'" {
        guard index < characters.count, characters[index] == "'" else { return text }
        index += 1
      } else if character.unicodeScalars.contains(where: { $0.value < 0x20 }) {
        throw ODataFilterFailure("a text has no control characters", at: index)
      }
      text.append(character)
    }
    throw ODataFilterFailure("the text that begins here has no end", at: start + 1)
  }

  private static func isOfWord(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "/_.-".contains(character))
  }
}

/// Why a filter is not understood.
struct ODataFilterFailure: Error, Equatable, Sendable {
  /// Words that follow "because".
  var reason: String
  /// Counted in characters from 1.
  var position: Int

  init(_ reason: String, at position: Int) {
    self.reason = reason
    self.position = position
  }
}
