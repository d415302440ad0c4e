// Prints answers as JSON, YAML, tables or lines with tabs.

import Foundation
import ServiceAPI
import Yams

/// Writes to standard output.
func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

/// Writes a line to standard error.
func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// Prints `value` as JSON, sorted and indented.
func printJSON(_ value: some Encodable) throws {
  let data = try ServiceJSON.encoder(pretty: true).encode(value)
  write(String(decoding: data, as: UTF8.self) + "\n")
}

/// Prints what ``printJSON(_:)`` prints, as YAML.
func printYAML(_ value: some Encodable) throws {
  // By way of JSON, so that dates and names are the same in both.
  let data = try ServiceJSON.encoder().encode(value)
  let tree = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
  write(try Yams.dump(object: tree, allowUnicode: true, sortKeys: true))
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
    case .yaml: try printYAML(items)
    case .tsv: for item in items { write(line(item.cells)) }
    case .table:
      if items.isEmpty { note(none) } else { write(table(Item.titles, items.map(\.cells))) }
    }
  }

  /// Prints one item: JSON, or a line for each of its cells.
  func show(_ item: some TableRow) throws {
    switch self {
    case .json: try printJSON(item)
    case .yaml: try printYAML(item)
    case .tsv: write(line(item.cells))
    case .table:
      let titles = type(of: item).titles
      let width = titles.map(\.count).max() ?? 0
      for (title, cell) in zip(titles, item.cells) {
        write(title.padding(toLength: width + 2, withPad: " ", startingAt: 0) + cell + "\n")
      }
    }
  }

  /// Cells with tabs between them. A tab or a line's end inside of a cell becomes a space.
  private func line(_ cells: [String]) -> String {
    cells.map { String($0.map { $0 == "\t" || $0.isNewline ? " " : $0 }) }
      .joined(separator: "\t") + "\n"
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
