// The one shape of every error the service answers.

/// `{"error": {"code", "message", "target"?, "details"?}}`, as the Resource Manager dialect has it.
public struct ServiceErrorBody: Codable, Equatable, Error, Sendable {
  public struct Content: Codable, Equatable, Sendable {
    /// A stable name for programs, such as `ConsentNotGiven`.
    public var code: String
    /// Words for people: what is wrong and what to do.
    public var message: String
    public var target: String?
    public var details: [Content]?

    public init(code: String, message: String, target: String? = nil, details: [Content]? = nil) {
      self.code = code
      self.message = message
      self.target = target
      self.details = details
    }
  }

  public var error: Content

  public init(code: String, message: String, target: String? = nil, details: [Content]? = nil) {
    error = Content(code: code, message: message, target: target, details: details)
  }
}
