// Which texts resources may carry beside their names.

import ServiceAPI

/// The rules for descriptions, locations and tags.
enum ResourceTexts {
  /// The longest description, characters.
  static let longestDescription = 1_000
  /// As the Resource Manager has them.
  static let mostTags = 50
  static let longestTagName = 512
  static let longestTagValue = 256
  static let longestLocation = 90

  static func check(description: String?) throws {
    guard let description else { return }
    try check(
      description, from: 0, to: longestDescription, "A description",
      target: "properties.description")
  }

  static func check(location: String?) throws {
    guard let location else { return }
    try check(location, from: 1, to: longestLocation, "A location", target: "location")
  }

  static func check(tags: TagChange?) throws {
    guard case .merge(let tags) = tags else { return }
    guard tags.count <= mostTags else {
      throw wrong("A catalog has at most \(mostTags) tags, not \(tags.count).", "tags")
    }
    for (name, value) in tags {
      try check(name, from: 1, to: longestTagName, "A tag's name", target: "tags")
      if let value {
        try check(
          value, from: 0, to: longestTagValue, "A tag's value", target: "tags.\(name.prefix(60))")
      }
    }
  }

  private static func check(
    _ text: String, from shortest: Int, to longest: Int, _ what: String, target: String
  ) throws {
    // Scalars, because a character may be of any length.
    let length = text.unicodeScalars.count
    guard (shortest...longest).contains(length) else {
      throw wrong("\(what) has \(shortest) to \(longest) characters, not \(length).", target)
    }
    guard !text.unicodeScalars.contains(where: isControl) else {
      throw wrong("\(what) has no control characters but ends of lines and tabs.", target)
    }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    (scalar.value < 0x20 && !["\n", "\r", "\t"].contains(scalar)) || scalar.value == 0x7F
  }

  private static func wrong(_ message: String, _ target: String) -> ServiceFailure {
    ServiceFailure(.badRequest, code: "InvalidRequestContent", message: message, target: target)
  }
}

extension CatalogChange {
  /// The change itself.
  /// - Throws: ``ServiceFailure`` with 400 when one of its texts is not acceptable.
  func checked() throws -> CatalogChange {
    try ResourceTexts.check(location: location)
    try ResourceTexts.check(tags: tags)
    return self
  }
}

extension ProductChange {
  /// The change itself.
  /// - Throws: ``ServiceFailure`` with 400 when its description is not acceptable.
  func checked() throws -> ProductChange {
    try ResourceTexts.check(description: properties?.description)
    return self
  }
}

extension DeviceGroupChange {
  /// The change itself.
  /// - Throws: ``ServiceFailure`` with 400 when its description is not acceptable.
  func checked() throws -> DeviceGroupChange {
    try ResourceTexts.check(description: properties?.description)
    return self
  }
}
