// Where a run's words go: console text, events, the bridge's own messages.

import Foundation
import HostBridge
import Logging
import SerialLink
import Synchronization

/// Console text of boards, on standard output, made harmless for a terminal.
enum ConsoleOutput {
  private static let output = OutputQueue(STDOUT_FILENO)

  /// Returns when all that was said is shown, if the terminal takes it.
  static func flush() async { await output.flush(within: .seconds(1)) }

  /// Takes a board's console text.
  ///
  /// - Parameter name: put before each line, when more than one board talks.
  static func sink(for name: BoardAddress?) -> ConsoleSink {
    let terminal = Mutex(TerminalText())
    return { text in
      let shown = terminal.withLock { $0.receive(text.bytes) }
      guard let name else { return output.write(Data(shown.utf8)) }
      for line in shown.split(separator: "\n") { output.write(Data("[\(name)] \(line)\n".utf8)) }
    }
  }
}

/// Lines typed on standard input, for a board.
enum ConsoleInput {
  static func start(into session: BoardSession) {
    let (lines, input) = AsyncStream.makeStream(
      of: String.self, bufferingPolicy: .bufferingOldest(256))
    // Reading blocks; a thread of its own ends with the process.
    Thread.detachNewThread {
      while let line = readLine(strippingNewline: false) { input.yield(line) }
      input.finish()
    }
    Task {
      for await line in lines { await session.type(Array(line.utf8)) }
    }
  }
}

/// Events, one JSON object a line.
enum EventFile {
  /// - Parameter path: a file to append to, `-` for standard output, `nil` for nowhere.
  static func sink(_ path: String?) throws(HostBridgeError) -> BridgeEventSink {
    guard let path else { return { _ in } }
    let handle: FileHandle
    if path == "-" {
      handle = .standardOutput
    } else {
      let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw HostBridgeError(
          code: .invalidSetting,
          message: "cannot write events to \(path): \(String(cString: strerror(errno)))",
          remedy: "Name a file in a folder that exists and that this user may write.")
      }
      handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }
    let file = Mutex(handle)
    return { event in
      guard let line = try? event.line() else { return }
      file.withLock { try? $0.write(contentsOf: line) }
    }
  }
}

/// Messages for people, one plain line each, on standard error.
struct PlainLog: LogHandler {
  let label: String
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]

  init(label: String, level: Logger.Level) {
    self.label = label
    logLevel = level
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let time = Date().formatted(
      Date.ISO8601FormatStyle(includingFractionalSeconds: true).time(
        includingFractionalSeconds: true))
    let severity = event.level >= .warning ? "\(event.level): " : ""
    let board = (event.metadata?["board"] ?? metadata["board"]).map { "\($0): " } ?? ""
    // What boards and services say is in these messages, too.
    let words = TerminalText.field("\(event.message)")
    // `FileHandle.write(_:)` traps when nobody reads any more.
    try? FileHandle.standardError.write(
      contentsOf: Data("\(time) \(severity)\(board)\(words)\n".utf8))
  }
}
