// The real service as a child process, and short ways to ask it things.

import Foundation
import MartletTestKit
import ServiceAPI

/// A service on a folder of its own, over http on loopback.
struct ServiceUnderLoad {
  let process: ProcessChild
  let port: Int
  let folder: URL
  let token: String

  /// Starts `martlet-service` of the same build.
  /// - Parameter arguments: beside the folder and the port.
  static func start(in folder: URL, _ arguments: [String] = []) throws -> ServiceUnderLoad {
    let programs = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let service = programs.appending(path: "martlet-service")
    let child = try ProcessChild(
      service,
      ["run", "--data", folder.appending(path: "data").path, "--port", "0", "--http"] + arguments,
      environment: ["MARTLET_MASTER_KEY": Data(repeating: 7, count: 32).base64EncodedString()])
    return ServiceUnderLoad(
      process: child, port: try child.waitForPort(), folder: folder,
      token: try makeToken(service, folder))
  }

  /// A token for everything.
  private static func makeToken(_ service: URL, _ folder: URL) throws -> String {
    let roles = ["administrator", "investigator", "auditor", "bridge"]
    let child = try ProcessChild(
      service,
      ["token", "create", "--data", folder.appending(path: "data").path]
        + roles.flatMap { ["--role", $0] })
    guard try child.waitForEnd() == .exit(0) else {
      throw LoadFailure("no token was made: \(child.errors.suffix(500))")
    }
    return child.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func stop() {
    process.send(SIGTERM)
    _ = try? process.waitForEnd()
  }

  /// Kilobytes of memory that the service has in use.
  var residentKilobytes: Int {
    let status =
      (try? String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)) ?? ""
    for line in status.split(separator: "\n") where line.hasPrefix("VmRSS:") {
      return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
    }
    return 0
  }

  // MARK: - Requests

  func head(_ method: String, _ path: String, length: Int) -> String {
    let path = path.replacingOccurrences(of: " ", with: "%20")
    return "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"
      + "Authorization: Bearer \(token)\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(length)\r\n\r\n"
  }

  func request(_ method: String, _ path: String, _ body: [UInt8] = []) -> [UInt8] {
    Array(head(method, path, length: body.count).utf8) + body
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
