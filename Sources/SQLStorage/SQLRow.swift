// One row of an answer.

import Synchronization

/// The columns of an answer, shared by its rows and by all answers that have the same.
final class SQLColumns: Sendable {
  /// Answers have as many different columns as the program has statements.
  private static let known = Mutex<[[String]: SQLColumns]>([:])
  private static let mostKnown = 1000

  private let indexes: [String: Int]

  private init(_ names: [String]) {
    indexes = Dictionary(
      names.enumerated().map { ($0.element.lowercased(), $0.offset) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The columns of these names, in the order of the values. Of two with one name the first counts.
  static func named(_ names: [String]) -> SQLColumns {
    known.withLock { known in
      if let columns = known[names] { return columns }
      if known.count >= mostKnown { known.removeAll() }
      let columns = SQLColumns(names)
      known[names] = columns
      return columns
    }
  }

  /// PostgreSQL folds names that are not quoted to lower case, so case does not count.
  func index(_ name: String) -> Int? { indexes[name] ?? indexes[name.lowercased()] }
}

/// A row, read by the names of its columns: `let count: Int = try row["count"]`.
public struct SQLRow: Sendable {
  let columns: SQLColumns
  let values: [SQLValue]

  /// The value of a column; `nil` for NULL where `Value` is optional.
  /// - Throws: ``SQLFailure`` with `unexpectedValue` when there is no such column or it holds
  ///   something else.
  public subscript<Value: SQLConvertible>(name: String) -> Value {
    get throws(SQLFailure) {
      guard let value = Value(try found(name)) else { throw unexpected(name, Value.self) }
      return value
    }
  }

  public subscript<Value: SQLConvertible>(name: String) -> Value? {
    get throws(SQLFailure) {
      let stored = try found(name)
      if stored == .null { return nil }
      guard let value = Value(stored) else { throw unexpected(name, Value.self) }
      return value
    }
  }

  private func found(_ name: String) throws(SQLFailure) -> SQLValue {
    guard let index = columns.index(name) else {
      throw SQLFailure(code: .unexpectedValue, message: "the answer has no column '\(name)'")
    }
    return values[index]
  }

  private func unexpected(_ name: String, _ type: any SQLConvertible.Type) -> SQLFailure {
    SQLFailure(code: .unexpectedValue, message: "the column '\(name)' holds no \(type)")
  }
}
