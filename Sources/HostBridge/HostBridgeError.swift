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
    /// The bridge's socket is held by another bridge or another program.
    public static let socketInUse = Code(description: "socketInUse")
    /// The bridge's socket cannot be made.
    public static let socketUnavailable = Code(description: "socketUnavailable")
    /// The port for metrics cannot be listened on.
    public static let portUnavailable = Code(description: "portUnavailable")
    /// No bridge answers where one was looked for.
    public static let noBridge = Code(description: "noBridge")
    /// What a bridge answered is no status that this version knows.
    public static let statusUnreadable = Code(description: "statusUnreadable")
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
