// A connection string of libpq, taken apart for the server's own programs.

import CLibPQ
import Foundation

/// What a connection string says: without what is secret, which everybody sees in the list of processes,
/// and the secrets apart.
public struct PostgresTarget: Sendable {
  /// `keyword='value' ...`
  public let words: String
  /// Variables of the environment that say the rest.
  public let secrets: [String: String]

  /// - Parameter text: a URL or a list of `keyword=value`.
  /// - Throws: ``SQLFailure`` with `refused`: it is no connection string, or holds a secret that libpq takes
  ///   in no other way.
  public init(_ text: String) throws(SQLFailure) {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(text, &message) else {
      // What libpq says may quote what is secret.
      PQfreemem(message)
      throw SQLFailure(code: .refused, message: "it is no connection string of libpq")
    }
    defer { PQconninfoFree(options) }
    var words: [String] = []
    var secrets: [String: String] = [:]
    var option = options
    while let keyword = option.pointee.keyword {
      defer { option += 1 }
      guard let value = option.pointee.val.map({ String(cString: $0) }) else { continue }
      let name = String(cString: keyword)
      // libpq marks with an asterisk what is not to be shown.
      guard String(cString: option.pointee.dispchar) == "*" else {
        words.append("\(name)=\(Self.quoted(value))")
        continue
      }
      guard let variable = option.pointee.envvar else {
        throw SQLFailure(
          code: .refused, message: "'\(name)' is in the connection string; keep it in a file")
      }
      secrets[String(cString: variable)] = value
    }
    self.words = words.joined(separator: " ")
    self.secrets = secrets
  }

  private static func quoted(_ value: String) -> String {
    "'"
      + value.replacingOccurrences(of: "\\", with: "\\\\")
      .replacingOccurrences(of: "'", with: "\\'") + "'"
  }
}
