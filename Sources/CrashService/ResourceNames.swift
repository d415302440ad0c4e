// Which names resources may have; the callers' libraries check nothing.

import ServiceAPI

/// The rules for names, as the platform publishes them.
enum ResourceNames {
  /// 1 to 50 letters, digits, `_` and `-`.
  static func checkCatalog(_ name: String) throws {
    guard (1...50).contains(name.count), name.utf8.allSatisfy({ isWord($0) || $0 == hyphen })
    else {
      throw invalid(
        "catalog", name, "It has 1 to 50 characters out of letters, digits, '_' and '-'.")
    }
  }

  /// 3 to 50 letters, digits, `_` and inner spaces.
  static func checkProduct(_ name: String) throws {
    try refuseReserved("product", name)
    guard (3...50).contains(name.utf8.count), hasWordsAlone(name, isWord) else {
      throw invalid(
        "product", name,
        "It has 3 to 50 characters out of letters, digits, '_' and spaces, and no space at an end.")
    }
  }

  /// 1 to 50 letters, digits and inner spaces.
  static func checkDeviceGroup(_ name: String) throws {
    try refuseReserved("device group", name)
    guard (1...50).contains(name.utf8.count), hasWordsAlone(name, isAlphanumeric) else {
      throw invalid(
        "device group", name,
        "It has 1 to 50 characters out of letters, digits and spaces, and no space at an end.")
    }
  }

  /// 1 to 90 characters, no slash and no control character.
  static func checkScope(_ name: String, kind: String) throws {
    guard (1...90).contains(name.count),
      name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "/" && $0.value != 0x7F })
    else { throw invalid(kind, name, "It has 1 to 90 printable characters and no slash.") }
  }

  /// Reads a GUID, and puts it into lower case.
  static func guid(_ text: String, of kind: String, target: String) throws -> String {
    let form = text.utf8.enumerated().allSatisfy { index, byte in
      [8, 13, 18, 23].contains(index)
        ? byte == hyphen : Character(Unicode.Scalar(byte)).isHexDigit
    }
    guard form, text.utf8.count == 36 else {
      throw ServiceFailure.invalid(
        "'\(text.prefix(60))' is not the id of \(kind == "image" ? "an" : "a") \(kind): that is a "
          + "GUID, as in 5bb8f5e6-7d28-4b6c-a2d5-0b2f9ac11f01.",
        target: target)
    }
    return text.lowercased()
  }

  /// Reads a device id.
  static func device(_ text: String) throws -> DeviceID {
    guard let id = DeviceID(text) else {
      throw ServiceFailure.invalid(
        "'\(text.prefix(140))' is not a device id: a device id has 128 hex digits.",
        target: "deviceId")
    }
    return id
  }

  private static func refuseReserved(_ kind: String, _ name: String) throws {
    guard name.hasPrefix(".") else { return }
    throw invalid(
      kind, name,
      "Names that begin with '.' are the service's own and cannot be made, changed or "
        + "deleted.")
  }

  private static func invalid(_ kind: String, _ name: String, _ rule: String) -> ServiceFailure {
    .invalid("'\(name.prefix(100))' is not a name for a \(kind). \(rule)", target: kind)
  }

  private static func hasWordsAlone(_ name: String, _ isInWord: (UInt8) -> Bool) -> Bool {
    guard let first = name.utf8.first, let last = name.utf8.last else { return false }
    return isInWord(first) && isInWord(last)
      && name.utf8.allSatisfy { isInWord($0) || $0 == UInt8(ascii: " ") }
  }

  private static let hyphen = UInt8(ascii: "-")

  private static func isWord(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || byte == UInt8(ascii: "_")
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: false
    }
  }
}
