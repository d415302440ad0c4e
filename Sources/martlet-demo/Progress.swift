// What the demo says while it runs: a line that moves on a terminal, plain lines otherwise.

import Foundation
import Synchronization

/// Standard output, shared by the steps and the line that shows that one of them is at work.
final class Progress: Sendable {
  private struct State {
    /// What is being done, and since when; `nil` between steps.
    var work: (words: String, start: ContinuousClock.Instant)?
    var turn = 0
    /// Whether the moving line is on the screen.
    var isShown = false
  }

  private let state = Mutex(State())
  private let isTerminal: Bool

  init() {
    isTerminal =
      isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    guard isTerminal else { return }
    Task { [weak self] in
      while let self {
        turn()
        try await Task.sleep(for: .milliseconds(120))
      }
    }
  }

  /// A line that stays.
  func say(_ line: String) {
    state.withLock { state in
      Self.clear(&state)
      Self.write(line + "\n")
    }
  }

  /// Something begins that takes a while: its words stay as a line, and move on a terminal.
  func begin(_ words: String) {
    say(words)
    state.withLock { $0.work = (words, .now) }
  }

  /// It is over.
  ///
  /// - Parameter line: a line that stays.
  func end(_ line: String) {
    state.withLock { state in
      Self.clear(&state)
      state.work = nil
      Self.write(line + "\n")
    }
  }

  private func turn() {
    state.withLock { state in
      guard let work = state.work else { return }
      state.turn = (state.turn + 1) % 4
      let sign = ["|", "/", "-", "\\"][state.turn]
      let seconds = Int((.now - work.start).inSeconds)
      // One line of a narrow terminal, or it could not be taken back.
      let words = "\(sign) \(work.words)" + (seconds > 1 ? " (\(seconds) s)" : "")
      Self.write("\r\u{1B}[K" + words.prefix(78))
      state.isShown = true
    }
  }

  private static func clear(_ state: inout State) {
    if state.isShown { write("\r\u{1B}[K") }
    state.isShown = false
  }

  private static func write(_ text: String) {
    // A reader that went away is no reason to leave processes behind.
    try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
  }
}
