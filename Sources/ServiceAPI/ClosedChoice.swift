// Words of the API that only a few values may take, and an error that names them.

/// An enumeration that travels as one of a fixed list of words.
public protocol ClosedChoice: RawRepresentable, CaseIterable, Codable, Equatable, Sendable
where RawValue == String {}

extension ClosedChoice {
  /// The words, as a person reads them: `Enabled, Disabled`.
  public static var allowedWords: String { allCases.map(\.rawValue).joined(separator: ", ") }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let word = try container.decode(String.self)
    guard let value = Self(rawValue: word) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "'\(word.prefix(40))' is not allowed here. Allowed: \(Self.allowedWords)")
    }
    self = value
  }
}

/// Whether crash dumps of a device group are collected.
public enum CrashDumpsCollection: String, ClosedChoice {
  case enabled = "Enabled"
  case disabled = "Disabled"
}

/// Where the dumps of a device group are stored and processed.
public enum RegionalDataBoundary: String, ClosedChoice {
  /// East or West US.
  case unbounded = "None"
  /// The European Union alone.
  case eu = "EU"
}

/// Which feed the operating system of a device group follows.
public enum OSFeedType: String, ClosedChoice {
  case retail = "Retail"
  case retailEval = "RetailEval"
}

/// What a device group updates by itself.
public enum UpdatePolicy: String, ClosedChoice {
  case updateAll = "UpdateAll"
  case no3rdPartyAppUpdates = "No3rdPartyAppUpdates"
}

/// How far an operation on a resource has come.
public enum ProvisioningState: String, ClosedChoice {
  case succeeded = "Succeeded"
  case failed = "Failed"
  case canceled = "Canceled"
  case provisioning = "Provisioning"
  case updating = "Updating"
  case deleting = "Deleting"
  case accepted = "Accepted"
}
