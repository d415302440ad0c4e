// How statements become text and values.

import Foundation
import Testing

@testable import SQLStorage

struct SQLTextTests {
  @Test func `what is interpolated is bound and never becomes text`() throws {
    let name = "'; DROP TABLE devices; --"
    let text: SQLText = "SELECT * FROM devices WHERE name = \(name) AND age > \(7)"
    let (rendered, values) = try text.rendered { "$\($0)" }
    #expect(rendered == "SELECT * FROM devices WHERE name = $1 AND age > $2")
    #expect(values == [.text(name), .integer(7)])
  }

  @Test func `parts are numbered on through a whole statement`() throws {
    let condition: SQLText = "a = \(1)"
    let text: SQLText = "SELECT 1 WHERE \(condition) AND b IN \(["x", "y"].sqlList) LIMIT \(3)"
    #expect(
      try text.rendered { "$\($0)" }.text == "SELECT 1 WHERE a = $1 AND b IN ($2, $3) LIMIT $4")
  }

  @Test func `an empty list matches nothing and is still SQL`() throws {
    #expect(try [String]().sqlList.rendered { _ in "?" }.text == "(NULL)")
  }

  @Test func `nothing is bound as NULL`() throws {
    let nothing: Data? = nil
    let text: SQLText = "UPDATE t SET a = \(nothing)"
    #expect(try text.rendered { _ in "?" }.values == [.null])
  }

  @Test func `text with a NUL character is refused before it reaches an engine`() {
    let text: SQLText = "SELECT * FROM t WHERE a = \("a\0b")"
    #expect {
      try text.rendered { _ in "?" }
    } throws: {
      ($0 as? SQLFailure)?.code == .unstorableText
    }
  }
}
