// Asks for many things with few statements.

extension SQLConnection {
  /// The rows of a statement that asks for many things at once.
  ///
  /// SQLite finds no index for a row of values `IN` others: what is asked for stands on the left of a join.
  /// - Parameters:
  ///   - asked: rows of values, as many in each as there are types.
  ///   - types: of the columns, as `CAST` takes them.
  ///   - statement: is given some of the rows, as they stand behind `VALUES`.
  public func rows(
    asking asked: [[any SQLConvertible]], of types: [SQLText], _ statement: (SQLText) -> SQLText
  ) throws(SQLFailure) -> [SQLRow] {
    var rows: [SQLRow] = []
    for group in asked.inGroupsOfFewSizes {
      rows += try self.rows(statement(SQLText(rows: group, of: types)))
    }
    return rows
  }
}
