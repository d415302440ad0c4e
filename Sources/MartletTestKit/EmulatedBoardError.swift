// What can go wrong when a test sets an emulated board up.

/// Why an emulated board could not do what a test asked.
public struct EmulatedBoardError: Error, Equatable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Code: String, Sendable {
    /// The configuration is invalid, or its file or memory is not to be had.
    case cannotBeMade
    /// An address or length lies outside what the board has.
    case outOfRange
    /// A value does not fit where it goes.
    case invalidValue
    /// A descriptor cannot serve as the serial line.
    case cannotAttach
  }

  public var code: Code
  /// What happened, for people.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public var description: String { "\(message). \(remedy)" }
}
