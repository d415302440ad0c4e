// A filter as callers write it in `$filter`, and as the condition of a statement.

import ServiceAPI
import SQLStorage

/// A condition over the fields of a list, out of the subset of OData that the service speaks: `eq`, `ne`,
/// `and`, `or`, `not`, parentheses, `startswith`, `endswith` and `contains`
/// (OASIS OData 4.01, part 2, section 5.1.1).
struct ODataFilter: Sendable {
  /// The longest filter, bytes.
  static let longest = 2_000
  /// The most conditions in one.
  static let mostConditions = 64

  /// The condition, in parentheses. Every literal is bound.
  let condition: SQLText

  /// - Throws: ``ServiceFailure`` with 400 that says what is wrong and where.
  init(_ text: String, over fields: [FilterField]) throws {
    do throws(ODataFilterFailure) {
      guard text.utf8.count <= Self.longest else {
        throw ODataFilterFailure("it is longer than \(Self.longest) bytes", at: Self.longest)
      }
      var parser = ODataFilterParser(tokens: try ODataToken.all(in: text), fields: fields)
      condition = try parser.whole()
    } catch {
      throw ServiceFailure.invalid(
        "$filter is not understood, because \(error.reason) (at character \(error.position)). "
          + "It takes eq, ne, and, or, not, startswith, endswith and contains over: "
          + fields.map(\.name).joined(separator: ", ") + ".",
        target: "$filter")
    }
  }
}
