// Why a service could not start, for the person who started it.

import Foundation

/// What is wrong and what to do about it.
public struct ServiceStartFailure: Error, Equatable, Sendable {
  public enum Code: String, Sendable {
    case folderNotWritable
    case folderInUse
    case storeDamaged
    /// Which databases to use is not said, or not clear.
    case databasesNotUsable
    /// None was given, or what was given is none.
    case masterKeyNotUsable
    /// The data folder belongs to another one.
    case wrongMasterKey
    /// A server's certificate, or the service's own authority.
    case certificateNotUsable
    case addressInUse
    case addressNotUsable
  }

  public var code: Code
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public init(code: Code, message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }
}

extension ServiceStartFailure: LocalizedError, CustomStringConvertible {
  public var description: String { "\(message). \(remedy)." }
  public var errorDescription: String? { description }
}
