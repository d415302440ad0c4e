// The service client against a real HTTP server that answers what the test says.

import DumpFormat
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceAPI
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct HTTPServiceTests {
  private let identity = DumpIdentity(
    device: String(repeating: "ab", count: 64), key: DumpKey(bootCount: 3, sequence: 4))

  @Test func `a dump goes to the path of its identity, byte for byte`() async throws {
    try await StubServer.with(.init(status: .created, body: #"{"id":"d-1"}"#)) { server, client in
      let dump = [UInt8](repeating: 0, count: 70_000)
      #expect(try await client.upload(identity, bytes: dump) == DumpReceipt(id: "d-1"))
      let request = try #require(server.requests.first)
      #expect(request.method == .PUT)
      #expect(request.path == "/martlet/v1/devices/\(identity.device)/dumps/3-4")
      #expect(request.body == dump)
    }
  }

  @Test func `a lease is asked for with the nonce and passed on as it is`() async throws {
    let body = #"{"allowed":true,"epoch":5,"lifetimeSeconds":60,"lease":"AQID"}"#
    try await StubServer.with(.init(status: .ok, body: body)) { server, client in
      let wish = LeaseRequest(
        nonce: Data([9, 8]), buildId: "00", imageVersion: "1", bootCount: 2, uncapturedCrashes: 1)
      let answer = try await client.lease(device: identity.device, wish)
      #expect(answer.lease == Data([1, 2, 3]))
      let request = try #require(server.requests.first)
      #expect(request.path == "/martlet/v1/devices/\(identity.device)/lease")
      #expect(try JSONDecoder().decode(LeaseRequest.self, from: Data(request.body)) == wish)
    }
  }

  @Test func `an error of the service keeps its code, its words and its Retry-After`() async throws
  {
    let body = #"{"error":{"code":"Busy","message":"Too many dumps at once."}}"#
    let answer = StubServer.Answer(
      status: .serviceUnavailable, body: body, headers: ["Retry-After": "7"])
    try await StubServer.with(answer) { _, client in
      let failure = await #expect(throws: ServiceFailure.self) {
        try await client.upload(identity, bytes: [1])
      }
      #expect(
        failure
          == ServiceFailure(
            status: 503, code: "Busy", message: "Too many dumps at once.", retryAfter: .seconds(7)))
    }
  }

  @Test func `an answer that is not the service's acknowledges nothing`() async throws {
    try await StubServer.with(.init(status: .ok, body: "<html>login</html>")) { _, client in
      let failure = await #expect(throws: ServiceFailure.self) {
        try await client.upload(identity, bytes: [1])
      }
      #expect(failure?.status == nil)
      #expect(failure?.code == "AnswerNotUnderstood")
    }
  }

  @Test func `nobody there is a failure without a status`() async throws {
    let client = try HTTPServiceClient(service: "http://127.0.0.1:1")
    let failure = await #expect(throws: ServiceFailure.self) {
      try await client.offer(device: "x", OfferRequest(offers: []))
    }
    #expect(failure?.status == nil)
    #expect(failure?.code == "Unreachable")
  }

  @Test(arguments: ["", "crashes.example.org", "ftp://x", "http://"])
  func `an address that is none is refused`(text: String) {
    let error = #expect(throws: HostBridgeError.self) { try HTTPServiceClient(service: text) }
    #expect(error?.code == .invalidSetting)
  }
}

/// An HTTP server that gives one answer to everything and remembers what it was asked.
final class StubServer: Sendable {
  struct Answer: Sendable {
    var status: HTTPResponseStatus
    var body: String
    var headers: [String: String] = [:]
  }

  struct Request: Sendable {
    var method: HTTPMethod
    var path: String
    var body: [UInt8] = []
  }

  private typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

  private let answer: Answer
  private let seen = Mutex<[Request]>([])

  var requests: [Request] { seen.withLock { $0 } }

  private init(_ answer: Answer) { self.answer = answer }

  static func with(
    _ answer: Answer, _ body: (StubServer, HTTPServiceClient) async throws -> Void
  ) async throws {
    let stub = StubServer(answer)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          return try Connection(wrappingChannelSynchronously: channel)
        }
      }
    let port = listener.channel.localAddress?.port ?? 0
    let client = try HTTPServiceClient(service: "http://127.0.0.1:\(port)/")
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await stub.serve(listener) }
      defer { group.cancelAll() }
      try await body(stub, client)
    }
  }

  private func serve(_ listener: NIOAsyncChannel<Connection, Never>) async throws {
    try await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections {
          group.addTask { try? await self.serve(connection) }
        }
      }
    }
  }

  private func serve(_ connection: Connection) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var request = Request(method: .GET, path: "")
      for try await part in inbound {
        switch part {
        case .head(let head): request = Request(method: head.method, path: head.uri)
        case .body(let bytes): request.body += Array(buffer: bytes)
        case .end:
          seen.withLock { $0.append(request) }
          var headers = HTTPHeaders(answer.headers.map { ($0.key, $0.value) })
          headers.add(name: "Content-Length", value: "\(answer.body.utf8.count)")
          try await outbound.write(
            .head(HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)))
          try await outbound.write(.body(.byteBuffer(ByteBuffer(string: answer.body))))
          try await outbound.write(.end(nil))
        }
      }
    }
  }
}
