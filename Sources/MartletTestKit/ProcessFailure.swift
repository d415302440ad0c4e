// What can go wrong when a test works with programs of its own.

/// Why a program that a test started did not do what the test waited for.
public struct ProcessFailure: Error, CustomStringConvertible {
  /// The kinds of failure.
  public enum Code: String, Sendable {
    /// A program or a file that the test needs is not there.
    case missing
    /// A program could not be started.
    case cannotStart
    /// What was waited for did not come in time.
    case tooLate
    /// The program, or its line, ended meanwhile.
    case ended
    /// An answer was not the one that was asked for.
    case unexpected
  }

  public var code: Code
  /// What happened, for people.
  public var message: String
  /// What to do about it; empty when the message says all.
  public var remedy: String

  public init(_ code: Code, _ message: String, remedy: String = "") {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  public var description: String { remedy.isEmpty ? message : "\(message). \(remedy)" }
}
