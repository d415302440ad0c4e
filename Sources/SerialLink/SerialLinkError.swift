// What can go wrong on the way to a board, for programs and for people.

/// An address that cannot be read, or a line that cannot be opened.
public struct SerialLinkError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name for programs.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The address is not written as an address.
    public static let invalidAddress = Code(description: "invalidAddress")
    /// Nothing is at the address now. It may appear later.
    public static let notThere = Code(description: "notThere")
    /// It is there, but this user may not open it.
    public static let notPermitted = Code(description: "notPermitted")
    /// Another program holds the line.
    public static let busy = Code(description: "busy")
    /// More than one thing fits the address.
    public static let ambiguous = Code(description: "ambiguous")
    /// The line was open and failed.
    public static let failed = Code(description: "failed")
    /// Opening the line, or setting it up, failed in another way.
    public static let cannotOpen = Code(description: "cannotOpen")
  }

  public let code: Code
  /// What is wrong, in a sentence without its full stop.
  public let message: String
  /// What to do about it, in a sentence. Empty when there is nothing to say.
  public let remedy: String

  public init(code: Code, message: String, remedy: String = "") {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  public var description: String { remedy.isEmpty ? message : "\(message). \(remedy)" }

  static func invalidAddress(_ text: String, _ reason: String, _ remedy: String) -> Self {
    SerialLinkError(
      code: .invalidAddress, message: "'\(text)' is not a board's address: \(reason)",
      remedy: remedy)
  }
}
