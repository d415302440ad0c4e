// What a client shows to a service, and whom it trusts for one.

import Foundation

/// Why what was named for a login cannot be used.
public struct ServiceLoginFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public var description: String { "\(message). \(remedy)" }
}

/// A token, the authorities of the service's certificate, and a certificate of the client's own. Each may be
/// absent.
public struct ServiceLogin: Equatable, Sendable {
  /// The variable that holds a token.
  public static let tokenVariable = "MARTLET_TOKEN"
  /// The variable that names a file of authorities.
  public static let authoritiesVariable = "MARTLET_CA"

  /// Sent with every request.
  public var token: String?
  /// A PEM file with certificates of authorities that are trusted beside the system's own.
  public var authorities: String?
  /// A PEM file with a certificate that the client shows.
  public var certificate: String?
  /// A PEM file with the key of that certificate.
  public var key: String?

  public init(
    token: String? = nil, authorities: String? = nil, certificate: String? = nil,
    key: String? = nil
  ) {
    self.token = token
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }

  /// Reads what options and the environment name; an option goes before the environment.
  /// - Parameters:
  ///   - tokenFile: a file with a token, white space around it or not.
  ///   - environment: the process's own, unless a test brings one.
  public init(
    tokenFile: String?, authorities: String?, certificate: String? = nil, key: String? = nil,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(ServiceLoginFailure) {
    func variable(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    guard (certificate == nil) == (key == nil) else {
      throw ServiceLoginFailure(
        message: "A certificate is of no use without its key, nor a key without its certificate",
        remedy: "Name both, with --certificate and --key.")
    }
    self.init(
      authorities: authorities ?? variable(Self.authoritiesVariable), certificate: certificate,
      key: key)
    if let tokenFile {
      token = try Self.token(in: tokenFile)
    } else if let text = variable(Self.tokenVariable) {
      token = try Self.checked(text, from: "the variable \(Self.tokenVariable)")
    }
  }

  private static func token(in file: String) throws(ServiceLoginFailure) -> String {
    var status = stat()
    guard stat(file, &status) == 0, let bytes = FileManager.default.contents(atPath: file) else {
      throw ServiceLoginFailure(
        message: "The token file \(file) cannot be read",
        remedy: "Make a token with martlet-service token create, and write it there.")
    }
    guard status.st_mode & 0o007 == 0 else {
      throw ServiceLoginFailure(
        message: "Every user of this machine can read or change the token file \(file)",
        remedy: "Take that away with chmod 600 \(file); when others may have read it, revoke the "
          + "token with martlet-service token revoke.")
    }
    return try checked(String(decoding: bytes, as: UTF8.self), from: "the file \(file)")
  }

  private static func checked(_ text: String, from place: String) throws(ServiceLoginFailure)
    -> String
  {
    let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard token.hasPrefix("mt_"), token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw ServiceLoginFailure(
        message: "What is in \(place) is no token of a Martlet service",
        remedy: "A token begins with mt_; martlet-service token create prints one.")
    }
    return token
  }
}
