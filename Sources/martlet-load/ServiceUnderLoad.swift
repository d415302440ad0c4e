// The real service as a child process, and short ways to ask it things.

import Foundation
import MartletTestKit
import ServiceAPI

/// A service on a folder of its own, over http on loopback.
struct ServiceUnderLoad: Sendable {
  /// The service's master key.
  static let masterKey = Data(repeating: 7, count: 32)

  let process: ProcessChild
  let port: Int
  let folder: URL
  /// Beside this process's own.
  let environment: [String: String]
  /// For everything.
  private(set) var token = ""

  /// Starts `martlet-service` of the same build.
  /// - Parameters:
  ///   - arguments: beside the folder and the port.
  ///   - environment: beside the master key.
  static func start(
    in folder: URL, _ arguments: [String] = [], environment: [String: String] = [:]
  ) throws -> ServiceUnderLoad {
    let environment = environment.merging([
      "MARTLET_MASTER_KEY": masterKey.base64EncodedString()
    ]) { $1 }
    let child = try ProcessChild(
      program,
      ["run", "--data", folder.appending(path: "data").path, "--port", "0", "--http"] + arguments,
      environment: environment)
    var service = ServiceUnderLoad(
      process: child, port: try child.waitForPort(), folder: folder, environment: environment)
    service.token = try service.makeToken(["administrator", "investigator", "auditor", "bridge"])
    return service
  }

  private static var program: URL {
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "martlet-service")
  }

  /// Makes a token.
  /// - Parameters:
  ///   - roles: what it is for.
  ///   - catalogs: that it reaches; all without any.
  func makeToken(_ roles: [String], catalogs: [String] = []) throws -> String {
    let child = try ProcessChild(
      Self.program,
      ["token", "create", "--data", folder.appending(path: "data").path]
        + roles.flatMap { ["--role", $0] } + catalogs.flatMap { ["--catalog", $0] },
      environment: environment)
    guard try child.waitForEnd() == .exit(0) else {
      throw LoadFailure("no token was made: \(child.errors.suffix(500))")
    }
    return child.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func stop() {
    process.send(SIGTERM)
    _ = try? process.waitForEnd()
  }

  /// What the service has of the memory, kilobytes (proc(5)): now (VmRSS), and at most so far (VmHWM).
  var memory: (kilobytes: Int, mostKilobytes: Int) {
    let status =
      (try? String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)) ?? ""
    func value(_ name: String) -> Int {
      let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
      return line?.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first ?? 0
    }
    return (value("VmRSS"), value("VmHWM"))
  }

  // MARK: - Requests

  private func head(_ method: String, _ path: String, length: Int, _ token: String) -> String {
    // Resource Manager's paths want a version.
    let version = ResourceManagerPath.query(of: path)
    let path =
      path.replacing(" ", with: "%20")
      + (path.contains("?") ? version.replacing("?", with: "&") : version)
    return "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"
      + "Authorization: Bearer \(token)\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(length)\r\n\r\n"
  }

  /// - Parameter token: this service's for everything, unless told.
  func request(
    _ method: String, _ path: String, _ body: [UInt8] = [], token: String? = nil
  ) -> [UInt8] {
    Array(head(method, path, length: body.count, token ?? self.token).utf8) + body
  }

  func json(_ method: String, _ path: String, _ body: some Encodable) throws -> [UInt8] {
    request(method, path, Array(try ServiceJSON.encoder().encode(body)))
  }

  /// Sends requests one by one and checks that each is carried out.
  func perform(_ requests: [[UInt8]], _ answered: (Int, LoadAnswer) -> Void = { _, _ in }) throws {
    var problem: String?
    let result = try LoadDriver(port: port, connections: 1, rate: nil, seconds: 600).run {
      $0 < requests.count && problem == nil ? requests[$0] : nil
    } answered: { number, answer in
      if !(200...299).contains(answer.status) {
        problem = "\(answer.status): \(String(decoding: answer.body, as: UTF8.self))"
      }
      answered(number, answer)
    }
    if let problem { throw LoadFailure("the service answered \(problem)") }
    guard result.answers == requests.count else {
      throw LoadFailure("\(result.answers) answers to \(requests.count) requests")
    }
  }

  func ask<Answer: Decodable>(_ request: [UInt8], as type: Answer.Type = Answer.self) throws
    -> Answer
  {
    var body = Data()
    try perform([request]) { body = Data($1.body) }
    return try ServiceJSON.decoder().decode(type, from: body)
  }
}
