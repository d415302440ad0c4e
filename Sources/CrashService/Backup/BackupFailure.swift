// Why a backup was not made or not restored, for the person who asked for it.

import Foundation

/// What is wrong and what to do about it. Nothing of a target is left that was not there before.
public struct BackupFailure: Error, Equatable, Sendable {
  public enum Code: String, Sendable {
    /// There is no service's data, or no backup, where one was named.
    case sourceMissing
    /// The place for the copy has something in it.
    case targetNotEmpty
    case notWritable
    /// It is not whole any more, was never finished, or is no backup of a service.
    case damaged
    /// A newer version of the service made it.
    case tooNew
    /// The keys were not named, or are those of another service.
    case keysNotUsable
  }

  public var code: Code
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public init(_ code: Code, _ message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  static func damaged(_ message: String) -> BackupFailure {
    BackupFailure(
      .damaged, message, remedy: "Restore another backup; of this one nothing was restored")
  }
}

extension BackupFailure: LocalizedError, CustomStringConvertible {
  public var description: String { "\(message). \(remedy)." }
  public var errorDescription: String? { description }
}
