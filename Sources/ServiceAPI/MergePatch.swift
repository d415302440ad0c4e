// How a change says that something is to be as it was in the beginning (RFC 7386).

extension KeyedDecodingContainer {
  /// A member of a merge patch: absent leaves things as they are, and null sets them back.
  /// - Parameter initial: what null stands for.
  func patch<Value: Decodable>(_ key: Key, null initial: @autoclosure () -> Value) throws -> Value?
  {
    guard contains(key) else { return nil }
    return try decodeIfPresent(Value.self, forKey: key) ?? initial()
  }
}

/// What a change does to tags.
public enum TagChange: Codable, Equatable, Sendable {
  /// Sets the tags that have a value, and removes those that have none.
  case merge([String: String?])
  case removeAll

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    self =
      container.decodeNil() ? .removeAll : .merge(try container.decode([String: String?].self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .merge(let tags): try container.encode(tags)
    case .removeAll: try container.encodeNil()
    }
  }

  /// Carries the change out.
  public func applied(to tags: [String: String]) -> [String: String] {
    switch self {
    case .removeAll: [:]
    case .merge(let changes):
      tags.merging(changes.compactMapValues { $0 }) { $1 }
        .filter { name, _ in changes[name].map { $0 != nil } ?? true }
    }
  }
}
