// What can go wrong in the bridge itself, for programs and for people.

/// A failure of the bridge's own parts. Failures of a line are `SerialLinkError`s, those of the
/// service ``ServiceFailure``s.
public struct HostBridgeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name for programs.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The spool's folder cannot be made or its database cannot be opened.
    public static let spoolUnavailable = Code(description: "spoolUnavailable")
    /// The spool's database answered with an error; nothing of the call was kept.
    public static let spoolFailed = Code(description: "spoolFailed")
    /// Something the user gave cannot be used.
    public static let invalidSetting = Code(description: "invalidSetting")
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
}
