// What goes into an endpoint and what comes out of it.

import HTTPTypes

/// The type of a parameter's value.
enum ParameterSchema: Equatable, Sendable {
  case string
  /// Not less than `minimum`.
  case integer(minimum: Int)
  /// One of these words.
  case choice([String])
}

/// A query parameter.
struct EndpointParameter: Equatable, Sendable {
  var name: String
  var schema: ParameterSchema
  /// One sentence.
  var summary: String
  /// Whether a request without it is refused.
  var isRequired: Bool

  init(
    _ name: String, _ schema: ParameterSchema = .string, _ summary: String, isRequired: Bool = false
  ) {
    self.name = name
    self.schema = schema
    self.summary = summary
    self.isRequired = isRequired
  }

  /// How many items of a list go before the page.
  static let skip = EndpointParameter(
    "$skip", .integer(minimum: 0), "How many items go before the page.")
  /// The mark of a `nextLink`.
  static let skipToken = EndpointParameter(
    "$skipToken", "The mark of the page, out of a nextLink.")

  private init(_ name: String, _ summary: String) {
    self.init(name, .string, summary)
  }
}

/// The content of a body.
enum EndpointContent: Sendable {
  /// JSON in the form of a type; its schema is read off the type.
  case json(any (Codable & Sendable).Type)
  /// Bytes: `application/octet-stream`.
  case bytes
  /// Text of a media type.
  case text(String)
}

/// The body of a request.
struct EndpointBody: Sendable {
  var content: EndpointContent
  /// The largest body that is read, bytes.
  var limit: Int

  static func json(_ type: any (Codable & Sendable).Type) -> EndpointBody {
    EndpointBody(content: .json(type), limit: largestJSONBody)
  }

  static func bytes(upTo limit: Int) -> EndpointBody {
    EndpointBody(content: .bytes, limit: limit)
  }
}

/// An answer to a request that was carried out.
struct EndpointAnswer: Sendable {
  var status: HTTPResponse.Status
  /// `nil` for an answer without a body.
  var content: EndpointContent?
  /// One sentence.
  var summary: String

  init(_ status: HTTPResponse.Status, _ content: EndpointContent? = nil, _ summary: String) {
    self.status = status
    self.content = content
    self.summary = summary
  }

  static func ok(_ type: any (Codable & Sendable).Type, _ summary: String = "Done.")
    -> EndpointAnswer
  {
    EndpointAnswer(.ok, .json(type), summary)
  }

  static func created(_ type: any (Codable & Sendable).Type, _ summary: String = "Made.")
    -> EndpointAnswer
  {
    EndpointAnswer(.created, .json(type), summary)
  }

  /// What a DELETE answers.
  static let deletions = [
    EndpointAnswer(.ok, nil, "Deleted."), EndpointAnswer(.noContent, nil, "There was nothing."),
  ]
}
