// The service's log: a line for each event, for people or for programs.

import Foundation
import Logging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a line of the log is written.
public enum LogFormat: String, CaseIterable, Sendable {
  /// `2026-11-23T18:40:00.000Z notice: dump stored id=... size=20480`
  case text
  /// One JSON object, with `time`, `level` and `message` first and then what belongs to the event.
  case json
}

/// Writes each event as one line.
///
/// Nothing logs a secret. What looks like an access token is masked all the same: it may come in what callers
/// send.
public struct LineLogHandler: LogHandler {
  public var logLevel = Logger.Level.info
  public var metadata: Logger.Metadata = [:]
  public var metadataProvider: Logger.MetadataProvider?
  private let format: LogFormat
  private let now: @Sendable () -> Date
  private let write: @Sendable (String) -> Void

  /// - Parameters:
  ///   - now: tells the time of each line.
  ///   - write: takes each line with its end.
  public init(
    _ format: LogFormat, now: @escaping @Sendable () -> Date = { Date() },
    write: @escaping @Sendable (String) -> Void = writeToStandardError
  ) {
    self.format = format
    self.now = now
    self.write = write
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var fields = metadata
    if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
    if let own = event.metadata { fields.merge(own) { $1 } }
    // Hummingbird's name for it.
    if let request = fields.removeValue(forKey: "hb.request.id") { fields["request"] = request }
    if let error = event.error { fields["error"] = "\(error)" }
    let time = now().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    let line =
      switch format {
      case .text: text(time, event, fields)
      case .json: json(time, event, fields)
      }
    write(AccessToken.masked(in: line) + "\n")
  }

  private func text(_ time: String, _ event: LogEvent, _ fields: Logger.Metadata) -> String {
    var line = "\(time) \(event.level): "
    line += LogText.oneLine("\(event.message)")
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      line += " \(LogText.oneLine(key))="
      let text = "\(value)"
      line +=
        text.contains(where: { $0 == " " || $0 == "\"" })
        ? LogText.quoted(text) : LogText.oneLine(text)
    }
    return line
  }

  private func json(_ time: String, _ event: LogEvent, _ fields: Logger.Metadata) -> String {
    var line = #"{"time":\#(LogText.quoted(time)),"level":"\#(event.level)""#
    line += #","message":\#(LogText.quoted("\(event.message)"))"#
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      // No key of an event takes the place of those before.
      let name = ["time", "level", "message"].contains(key) ? key + "_" : key
      line += ",\(LogText.quoted(name)):\(LogText.json(value))"
    }
    return line + "}"
  }
}

/// Texts that stay on their line.
enum LogText {
  /// A JSON string.
  static func quoted(_ text: String) -> String {
    "\"" + escaped(text, quotes: true) + "\""
  }

  static func oneLine(_ text: String) -> String { escaped(text, quotes: false) }

  static func json(_ value: Logger.MetadataValue) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .stringConvertible(let value): quoted(value.description)
    case .array(let values): "[" + values.map(json).joined(separator: ",") + "]"
    case .dictionary(let fields):
      "{"
        + fields.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(json($0.value))" }
        .joined(separator: ",") + "}"
    }
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    let isPlain = text.utf8.allSatisfy {
      $0 >= 0x20 && $0 != 0x7F && $0 < 0x80 && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\"")
    }
    if isPlain { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"" where quotes, "\\" where quotes: result += ["\\", scalar]
      // Line ends of any kind, and what terminals take for commands.
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
        result += "\\u\(hex(scalar.value))".unicodeScalars
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  private static func hex(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// Writes a line to standard error, whole: lines of several threads do not mix.
@Sendable public func writeToStandardError(_ line: String) {
  var rest = Array(line.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    // A log that nobody takes holds nothing up.
    guard count > 0 || errno == EINTR else { return }
    rest = rest.dropFirst(max(0, count))
  }
}
