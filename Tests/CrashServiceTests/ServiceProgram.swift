// The real program on a folder that a bench filled before.

import AsyncHTTPClient
import Foundation
import HTTPTypes
import MartletBenchKit
import MartletTestKit
import NIOCore
import NIOHTTP1
import ServiceAPI
import Testing

@testable import CrashService

/// Tests that start the program, one at a time.
@Suite(.serialized) struct ProgramTests {}

/// `martlet-service run`, in the clear on a port of its own.
final class ServiceProgram: Sendable {
  /// Bytes of a request's body as they come.
  typealias Body = AsyncStream<ByteBuffer>

  /// Tells at once that nobody listens any more. It lives as long as the tests.
  private static let client: HTTPClient = {
    var configuration = HTTPClient.Configuration.singletonConfiguration
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  let child: ProcessChild
  let token: String
  let port: Int

  /// Starts it and waits until it listens.
  convenience init(
    on folder: TestFolder, token: String, _ more: [String] = [],
    environment: [String: String] = [:]
  ) async throws {
    try await self.init(
      child: Self.start(on: folder, more, environment: environment), token: token)
  }

  /// Waits until a program that was started listens.
  init(child: ProcessChild, token: String) async throws {
    self.token = token
    self.child = child
    port = try await onThread { try child.waitForPort() }
  }

  /// Starts it and does not wait.
  static func start(
    on folder: TestFolder, _ more: [String] = [], environment: [String: String] = [:]
  ) async throws -> ProcessChild {
    try launch(
      ["run", "--data", folder.url.path, "--http", "--port", "0"] + more,
      environment: try await folder.storage().environment.merging(environment) { $1 })
  }

  /// Starts it with these arguments alone.
  static func launch(_ arguments: [String], environment: [String: String] = [:]) throws
    -> ProcessChild
  {
    try ProcessChild(
      Programs.url("martlet-service"), arguments,
      environment: ["MARTLET_MASTER_KEY": ServiceBench.masterKey.base64].merging(environment) { $1 }
    )
  }

  func kill() async throws { try await onThread { [child] in child.kill() } }

  func waitForEnd() async throws -> ProcessChild.Ending {
    try await onThread { [child] in try child.waitForEnd() }
  }

  /// - Throws: what the connection throws, such as when nobody listens any more.
  func send(
    _ method: HTTPMethod, _ path: String, _ body: HTTPClientRequest.Body? = nil
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = method
    request.headers.add(name: "Authorization", value: "Bearer \(token)")
    request.body = body
    let answer = try await Self.client.execute(request, timeout: .seconds(60))
    var headers = HTTPFields()
    for header in answer.headers {
      if let name = HTTPField.Name(header.name) { headers[name] = header.value }
    }
    return Answer(
      status: .init(code: Int(answer.status.code)), headers: headers,
      body: try await answer.body.collect(upTo: 1 << 24))
  }

  /// Asks until the answer is as wanted.
  func poll(_ what: String, _ isDone: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !isDone() {
      guard ContinuousClock.now < deadline else {
        throw ProcessFailure(.tooLate, "no \(what)\n\(child.errors.suffix(2000))")
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}

extension ServiceBench {
  /// The token that this bench's requests carry.
  func token() async throws -> String { try #require(try await callers.token(of: caller)) }
}
