// Where a run's words go: console text, events, the bridge's own messages.

import Foundation
import HostBridge
import Logging
import SerialLink
import Synchronization

/// Console text of boards, on standard output.
enum ConsoleOutput {
  private static let lock = Mutex(())

  /// Takes a board's console text.
  ///
  /// - Parameter name: put before each line, when more than one board talks.
  static func sink(for name: BoardAddress?) -> @Sendable ([UInt8]) -> Void {
    { text in
      var output = Data()
      if let name {
        for line in text.split(separator: UInt8(ascii: "\n")) {
          output += Data("[\(name)] ".utf8) + line + Data("\n".utf8)
        }
      } else {
        output = Data(text)
      }
      lock.withLock { _ in
        // A reader that went away is no reason to stop serving boards.
        try? FileHandle.standardOutput.write(contentsOf: output)
      }
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
    FileHandle.standardError.write(Data("\(time) \(severity)\(board)\(event.message)\n".utf8))
  }
}
