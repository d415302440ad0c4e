// Prints answers as JSON or as tables.

import Foundation
import ServiceAPI

/// Writes to standard output.
func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

/// Writes a line to standard error.
func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// Prints `value` as JSON, sorted and indented.
func printJSON(_ value: some Encodable) throws {
  let data = try ServiceJSON.encoder(pretty: true).encode(value)
  write(String(decoding: data, as: UTF8.self) + "\n")
}

/// Something that a table shows: titles and, for each item, a cell under each title.
protocol TableRow: Encodable {
  static var titles: [String] { get }
  var cells: [String] { get }
}

extension OutputFormat {
  /// Prints a list.
  func show<Item: TableRow>(_ items: [Item], none: String) throws {
    switch self {
    case .json: try printJSON(items)
    case .table:
      if items.isEmpty { note(none) } else { write(table(Item.titles, items.map(\.cells))) }
    }
  }

  /// Prints one item: JSON, or a line for each of its cells.
  func show(_ item: some TableRow) throws {
    switch self {
    case .json: try printJSON(item)
    case .table:
      let titles = type(of: item).titles
      let width = titles.map(\.count).max() ?? 0
      for (title, cell) in zip(titles, item.cells) {
        write(title.padding(toLength: width + 2, withPad: " ", startingAt: 0) + cell + "\n")
      }
    }
  }

  private func table(_ titles: [String], _ rows: [[String]]) -> String {
    let lines = [titles, titles.map { String(repeating: "-", count: $0.count) }] + rows
    let widths = titles.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      let cells = zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
      var text = cells.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text + "\n"
    }.joined()
  }
}
