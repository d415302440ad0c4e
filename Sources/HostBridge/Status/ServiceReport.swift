// How the crash service is, as the bridge sees it.

import Foundation

/// What the bridge knows of the service: by what it answered last.
public struct ServiceReport: Codable, Equatable, Sendable {
  public enum Condition: String, Codable, Sendable {
    /// It was not asked yet.
    case unknown
    /// It answers.
    case ok
    /// Nobody answers at its address.
    case unreachable
    /// Its certificate is not trusted, so nothing is sent to it.
    case untrusted
    /// It asks to be left alone for a while (429 and 503).
    case busy
    /// It answers that it failed (500 and above).
    case failing
    /// What answers is not a Martlet service: its answer makes no sense.
    case notUnderstood
    /// It will not serve this bridge (401, 407, and answers that are no Martlet service's refusals).
    case refusing
  }

  /// A failed call.
  public struct Failure: Codable, Equatable, Sendable {
    public var time: Date
    public var condition: Condition
    /// The HTTP status, when there was an answer.
    public var status: Int?
    public var message: String
  }

  public var address: String
  public var condition: Condition
  /// Since when it is in this condition.
  public var since: Date
  public var lastSuccess: Date?
  public var lastFailure: Failure?
  /// Failed calls since the last success.
  public var failures: Int
  /// When uploads are tried again.
  public var nextAttempt: Date?
}

extension ServiceFailure {
  /// What the failure says of the service as a whole; ``ServiceReport/Condition/ok`` when the answer
  /// was about one device or one dump.
  public var condition: ServiceReport.Condition {
    guard let status else {
      return switch code {
      case Self.notUnderstood: .notUnderstood
      case Self.untrusted: .untrusted
      default: .unreachable
      }
    }
    return switch status {
    case 429, 503: .busy
    case 500...: .failing
    case 401, 407: .refusing
    // About this bridge's login.
    case 403 where code == "AuthorizationFailed": .refusing
    // The service names its refusals; what does not is a proxy, or another server.
    case 400..<500: code == Self.nameless ? .refusing : .ok
    default: .notUnderstood
    }
  }
}
