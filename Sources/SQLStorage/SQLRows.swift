// Rows that one statement stores, in the way that is the shortest for each engine.

/// An `INSERT` of rows, whatever their number.
public struct SQLInsert: Sendable {
  private let head: String
  private let ending: String
  /// The statement for one row, as SQLite takes it.
  let single: String

  /// - Parameters:
  ///   - table: that gets the rows.
  ///   - columns: in the order of a row's values; at most 500.
  ///   - ending: what follows behind the rows, such as `ON CONFLICT DO NOTHING`.
  public init(into table: String, _ columns: [String], _ ending: String = "") {
    head = "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES "
    self.ending = ending.isEmpty ? "" : " " + ending
    let places = columns.map { _ in "?" }.joined(separator: ", ")
    single = head + "(\(places))" + self.ending
  }

  /// - Parameter rows: each with as many values as there are columns.
  public func callAsFunction(_ rows: [[SQLValue]]) -> SQLRows { SQLRows(insert: self, rows: rows) }

  /// Statements of many rows each.
  fileprivate func statements(_ rows: [[SQLValue]]) -> [SQLText] {
    rows.map { values in "(" + values.map { SQLText("\($0)") }.joined(separator: ", ") + ")" }
      .inStatements.map { SQLText(raw: head) + $0 + SQLText(raw: ending) }
  }
}

/// Rows on their way into a table.
public struct SQLRows: Sendable {
  let insert: SQLInsert
  let rows: [[SQLValue]]

  /// As few statements as an engine wants that is asked over a network.
  var statements: [SQLText] { insert.statements(rows) }
}

extension SQLConnection {
  public func rows(storing rows: SQLRows) throws(SQLFailure) -> [SQLRow] {
    var answers: [SQLRow] = []
    for statement in rows.statements { answers += try self.rows(statement) }
    return answers
  }
}
