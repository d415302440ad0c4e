// What was logged, for tests to look at.

import Logging
import Synchronization

/// Keeps every message with its severity.
final class LogLines: Sendable {
  private let kept = Mutex<[(level: Logger.Level, text: String)]>([])

  var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

  /// Messages of at least this severity.
  func all(from level: Logger.Level = .info) -> [String] {
    kept.withLock { $0.filter { $0.level >= level }.map(\.text) }
  }

  private struct Handler: LogHandler {
    let lines: LogLines
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.kept.withLock { $0.append((event.level, "\(event.message)")) }
    }
  }
}
