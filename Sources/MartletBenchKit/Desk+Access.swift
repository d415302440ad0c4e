// How bridge and operators log in to the service on the desk.

import Foundation
import MartletTestKit
import ServiceAPI

extension Desk {
  /// The way to the service, and what the bridge shows it. Operators show a token.
  public enum Access: Sendable {
    /// In the clear, on loopback; the bridge shows a token.
    case plaintext
    /// Over TLS; the bridge shows a token.
    case tls
    /// Over TLS; the bridge shows a certificate.
    case certificates
  }

  /// What logs in, for one data folder of the service.
  struct Logins {
    /// Empty when the bridge shows a certificate.
    var bridgeToken = ""
    /// What the bridge is started with.
    var bridge: [String]
    /// What the operators' tool finds in its environment.
    var environment: [String: String]
  }

  /// Makes what logs in, with the service's own program while it runs.
  func makeLogins(data: String) throws -> Logins {
    let authority = folder.file("\(data)/tls/ca.pem").path
    let operatorToken = try makeToken(["administrator", "investigator"], data: data)
    var bridge: [String] = []
    var bridgeToken = ""
    switch access {
    case .plaintext, .tls:
      let file = try makeToken(["bridge"], data: data)
      bridge += ["--token-file", file]
      bridgeToken = try String(contentsOfFile: file, encoding: .utf8)
    case .certificates:
      try runService([
        "certificate", "create", "--data", folder.file(data).path, "--bridge", "desk-\(data)",
        "--folder", folder.url.path,
      ])
      bridge += [
        "--certificate", folder.file("desk-\(data).pem").path, "--key",
        folder.file("desk-\(data).key").path,
      ]
    }
    var environment = [
      ServiceLogin.tokenVariable: try String(contentsOfFile: operatorToken, encoding: .utf8)
    ]
    if access != .plaintext {
      bridge += ["--ca", authority]
      environment[ServiceLogin.authoritiesVariable] = authority
    }
    return Logins(bridgeToken: bridgeToken, bridge: bridge, environment: environment)
  }

  /// A file with a new token.
  private func makeToken(_ roles: [String], data: String) throws -> String {
    let token = try runService(
      ["token", "create", "--data", folder.file(data).path] + roles.flatMap { ["--role", $0] })
    let file = folder.file("\(data)-\(roles[0]).token").path
    guard
      FileManager.default.createFile(
        atPath: file, contents: Data(token.trimmingCharacters(in: .newlines).utf8),
        attributes: [.posixPermissions: 0o600])
    else { throw ProcessFailure(.unexpected, "cannot write \(file)") }
    return file
  }

  /// Runs a command of `martlet-service` and returns what it printed.
  @discardableResult
  public func runService(_ arguments: [String]) throws -> String {
    let child = try ProcessChild(
      serviceProgram, arguments, environment: ["XDG_CONFIG_HOME": folder.path])
    let ending = try child.waitForEnd()
    guard ending == .exit(0) else {
      throw ProcessFailure(
        .unexpected, "martlet-service \(arguments.prefix(2)): \(ending)\n\(child.errors)")
    }
    return child.output
  }
}
