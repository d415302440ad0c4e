// A piece of a board's console text on its way to the log and the terminal.

import Foundation

/// Text that a board said in one go: whole lines where there are ends.
public struct ConsoleText: Equatable, Sendable {
  /// As the board sent them.
  public var bytes: [UInt8]
  /// When the first byte came.
  public var began: Date
  /// When the rest had come.
  public var time: Date

  public init(bytes: [UInt8], began: Date, time: Date) {
    self.bytes = bytes
    self.began = began
    self.time = time
  }
}

/// Where a board's console text goes. Called in the order of the text; it does not wait.
public typealias ConsoleSink = @Sendable (ConsoleText) -> Void
