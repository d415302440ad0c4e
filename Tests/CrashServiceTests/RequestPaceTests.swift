// Connections that hold the service up, over real sockets and with a clock of their own.

import Foundation
import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import NIOPosix
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct RequestPaceTests {
  // MARK: - With a clock of their own

  private static func limits() -> TransportLimits {
    var limits = TransportLimits()
    limits.headTime = .seconds(10)
    limits.idleTime = .seconds(60)
    limits.patience = .seconds(15)
    limits.slowestRate = 1000
    return limits
  }

  private static func channel() throws -> EmbeddedChannel {
    let channel = EmbeddedChannel(handler: RequestPace(limits: limits()))
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    return channel
  }

  private static func head(length: Int? = nil) -> HTTPRequestPart {
    var fields = HTTPFields()
    if let length { fields[.contentLength] = "\(length)" }
    return .head(
      HTTPRequest(
        method: .put, scheme: "http", authority: "x", path: "/", headerFields: fields))
  }

  private static func answer(_ channel: EmbeddedChannel) throws {
    try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
    try channel.writeOutbound(HTTPResponsePart.end(nil))
  }

  @Test func `a head that does not become whole ends the connection`() throws {
    let channel = try Self.channel()
    channel.embeddedEventLoop.advanceTime(by: .seconds(9))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test func `a body that keeps up may take as long as it is large`() throws {
    let channel = try Self.channel()
    try channel.writeInbound(Self.head(length: 100_000))
    for _ in 0..<100 {
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(repeating: 0, count: 1000)))
    }
    try channel.writeInbound(HTTPRequestPart.end(nil))
    channel.embeddedEventLoop.advanceTime(by: .seconds(1000))
    #expect(channel.isActive, "the service may take its time")
    try Self.answer(channel)
    channel.embeddedEventLoop.advanceTime(by: .seconds(59))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test func `a body that trickles ends the connection, however steadily`() throws {
    let channel = try Self.channel()
    try channel.writeInbound(Self.head(length: 100_000))
    var seconds = 0
    while channel.isActive, seconds < 60 {
      try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(repeating: 0, count: 100)))
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      seconds += 1
    }
    #expect((15...18).contains(seconds), "\(seconds)")
  }

  @Test func `an answer before a large body is over says that the connection ends`() throws {
    for (length, isClosed) in [
      (100_000_000 as Int?, true), (nil, true), (10_000_000, false), (1000, false),
    ] {
      let channel = try Self.channel()
      try channel.writeInbound(Self.head(length: length))
      try Self.answer(channel)
      guard case .head(let head)? = try channel.readOutbound(as: HTTPResponsePart.self) else {
        Issue.record("no answer")
        return
      }
      #expect((head.headerFields[.connection] == "close") == isClosed)
      channel.embeddedEventLoop.advanceTime(by: .seconds(2))
      #expect(channel.isActive == !isClosed)
      _ = try? channel.finish(acceptAlreadyClosed: true)
    }
  }

  // MARK: - Over sockets

  /// Runs a service with limits.
  private static func listening(
    _ limits: TransportLimits, _ body: @escaping @Sendable (Int) async throws -> Void
  ) async throws {
    let folder = TestFolder()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let service = try await CrashService(
      dataFolder: folder.url, masterKey: ServiceBench.masterKey, logger: logger)
    try await withListener(service, .plaintext, limits, logger, body)
    try await service.close()
  }

  /// What a service sends until it closes the connection.
  private static func exchange(_ port: Int, _ parts: [String]) async throws -> String {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      // A service that has closed already takes no more.
      for part in parts { try? await outbound.write(ByteBuffer(string: part)) }
      var received = ByteBuffer()
      do {
        for try await var buffer in inbound { received.writeBuffer(&buffer) }
      } catch is IOError {
        // Reset: what came before counts.
      }
      return String(buffer: received)
    }
  }

  @Test func `half a head is closed when its time is over`() async throws {
    var limits = TransportLimits()
    limits.headTime = .milliseconds(200)
    try await Self.listening(limits) { port in
      let answer = try await Self.exchange(port, ["GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "])
      #expect(answer == "")
    }
  }

  @Test func `a body that never comes is closed when its time is over`() async throws {
    var limits = TransportLimits()
    limits.patience = .milliseconds(200)
    try await Self.listening(limits) { port in
      let answer = try await Self.exchange(
        port, ["POST /martlet/v1/consents HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12"])
      #expect(answer == "" || answer.hasPrefix("HTTP/1.1 401"))
    }
  }

  @Test func `a body that is too large is refused before it is read`() async throws {
    try await Self.listening(TransportLimits()) { port in
      let answer = try await Self.exchange(
        port,
        [
          "PUT /martlet/v1/devices/\(ServiceBench.device)/dumps/1-1 HTTP/1.1\r\nHost: x\r\n"
            + "Content-Length: 1000000000\r\n\r\n"
        ])
      #expect(answer.hasPrefix("HTTP/1.1 401"), "\(answer.prefix(200))")
      #expect(answer.lowercased().contains("connection: close"))
      let next = try await Self.exchange(
        port, ["GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])
      #expect(next.hasPrefix("HTTP/1.1 200"), "the service is still good")
    }
  }

  @Test func `heads beyond the limits are refused`() async throws {
    try await Self.listening(TransportLimits()) { port in
      let large = "X-A: " + String(repeating: "a", count: 40_000) + "\r\n"
      let many = (0..<200).map { "X-\($0): a\r\n" }.joined()
      for fields in [large, many] {
        let answer = try await Self.exchange(
          port, ["GET /healthz HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"])
        #expect(!answer.contains("200 OK"), "\(answer.prefix(100))")
      }
    }
  }

  @Test func `connections beyond the limit are closed, and there is room again afterwards`()
    async throws
  {
    var limits = TransportLimits()
    limits.connectionsPerAddress = 2
    try await Self.listening(limits) { port in
      let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      let first = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
      let second = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
      #expect(try await Self.exchange(port, [request]) == "")
      try await first.close()
      try await second.close()
      while try await !Self.exchange(port, [request]).contains("200 OK") { await Task.yield() }
    }
  }
}
