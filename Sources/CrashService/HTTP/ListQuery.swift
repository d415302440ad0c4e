// What a caller asks of a list in the query: a filter, how many, from where on, and how many on a page.

import Foundation
import Hummingbird
import SQLStorage
import ServiceAPI

/// `$filter`, `$top`, `$skip` and `$maxpagesize`, as the Resource Manager's lists take them.
struct ListQuery: Sendable {
  /// The parameters, for the descriptions of endpoints.
  static let parameters: [EndpointParameter] = [
    .skip,
    EndpointParameter(
      "$top", .integer(minimum: 0), "The most items of all pages together. (default: all)"),
    EndpointParameter(
      "$maxpagesize", .integer(minimum: 1),
      "The most items on a page; a page never has more than \(CrashService.pageSize)."),
    EndpointParameter("$filter", .string, "Which items, as in name eq 'Field Test'."),
  ]

  /// The window to ask the store for: one item more than is shown, which tells whether another page
  /// follows.
  let page: Page
  /// The most items that the page shows.
  private let size: Int
  private let top: Int?

  /// - Parameter fields: what `$filter` may name.
  /// - Throws: ``ServiceFailure`` with 400.
  init(_ request: Request, over fields: [FilterField]) throws {
    let skip = try request.number("$skip", from: 0) ?? 0
    top = try request.number("$top", from: 0)
    let most = try request.number("$maxpagesize", from: 1) ?? CrashService.pageSize
    size = min(most, CrashService.pageSize, top ?? .max)
    var page = Page(offset: skip, limit: size + 1)
    page.filter = try request.queryValue("$filter").map {
      try ODataFilter($0, over: fields).condition
    }
    self.page = page
  }

  /// A page of resources out of what the store found for ``page``.
  /// - Parameter more: parameters that the next page needs besides those of this request.
  func list<Item>(
    _ found: [Item], of request: Request, carrying more: [(String, String)] = []
  ) -> ResourceList<Item> {
    let shown = Array(found.prefix(size))
    let left = top.map { $0 - shown.count }
    guard found.count > size, left != 0 else { return ResourceList(value: shown, nextLink: nil) }
    var changes = more + [("$skip", String(page.offset + size))]
    if let left { changes.append(("$top", String(left))) }
    return ResourceList(value: shown, nextLink: request.link(replacing: changes))
  }
}

extension Request {
  /// A parameter of the query, decoded as forms are: `+` is a space. Case does not count in its name. Of two
  /// with one name the first counts.
  /// - Throws: ``ServiceFailure`` with 400 when it is not valid percent-encoded UTF-8.
  func queryValue(_ name: String) throws -> String? {
    let wanted = name.lowercased()
    for part in (uri.query ?? "").split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = pair.first, Self.decoded(key)?.lowercased() == wanted else { continue }
      guard let value = Self.decoded(pair.count > 1 ? pair[1] : "") else {
        throw ServiceFailure.invalid(
          "The query's '\(name)' is not valid percent-encoded UTF-8.", target: name)
      }
      return value
    }
    return nil
  }

  private static func decoded(_ text: Substring) -> String? {
    text.replacing("+", with: " ").removingPercentEncoding
  }

  /// A whole number in the query, from `minimum` to 2,147,483,647.
  fileprivate func number(_ name: String, from minimum: Int) throws -> Int? {
    guard let text = try queryValue(name) else { return nil }
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int32(text),
      number >= minimum
    else {
      throw ServiceFailure.invalid(
        "\(name) is a whole number from \(minimum) to \(Int32.max).", target: name)
    }
    return Int(number)
  }

  /// The address of this request with one query parameter replaced.
  func link(replacing name: String, with value: String) -> String {
    link(replacing: [(name, value)])
  }

  /// The address of this request with query parameters replaced.
  func link(replacing changes: [(String, String)]) -> String {
    let kept = (uri.query ?? "").split(separator: "&").filter { part in
      let name = String(part.prefix { $0 != "=" }).removingPercentEncoding?.lowercased()
      return !changes.contains { $0.0.lowercased() == name }
    }
    let added = changes.map { "\($0)=\(Self.encoded($1))" }
    return "\(origin)\(uri.path)?\((kept.map(String.init) + added).joined(separator: "&"))"
  }

  private static func encoded(_ value: String) -> String {
    let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
    return value.addingPercentEncoding(
      withAllowedCharacters: plain.intersection(CharacterSet(charactersIn: "\u{0}"..."\u{7F}")))
      ?? ""
  }
}
