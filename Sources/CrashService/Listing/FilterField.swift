// The fields of a list that callers may filter by, and how each is compared.

import SQLStorage

/// A field of a list's items.
struct FilterField: Sendable {
  enum Kind: Sendable {
    /// Text that is compared as it is.
    case text
    /// Text that is compared without regard to the case of ASCII letters.
    case caseless
    /// The same, of text that is stored in lower case.
    case lowercase
    /// One of these words, in any case.
    case choice([String])
    /// A truth value, stored as 0 or 1.
    case flag
    /// A whole number.
    case number
  }

  /// As callers write it, with or without `properties/` in front.
  var name: String
  var kind: Kind
  /// The value of the field in a row.
  var column: SQLText

  init(_ name: String, _ kind: Kind, _ column: SQLText) {
    self.name = name
    self.kind = kind
    self.column = column
  }

  /// A field that holds one of an enumeration's words.
  init<Choice: CaseIterable & RawRepresentable<String>>(
    _ name: String, _ type: Choice.Type, _ column: SQLText
  ) {
    self.init(name, .choice(type.allCases.map(\.rawValue)), column)
  }
}
