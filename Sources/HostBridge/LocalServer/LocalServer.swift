// A small HTTP server for this machine alone, that no client of it can disturb.

import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Answers GET requests on the bridge's socket or on a loopback port: one request a connection.
///
/// What a client can take is bounded: connections, bytes of a request, and the time of a connection.
public final class LocalServer: Service {
  /// What a client may take.
  public struct Limits: Sendable {
    /// Connections at once; more are closed as they come.
    public var connections = 16
    /// Bytes of a request.
    public var requestBytes = 8 << 10
    /// From connecting to having read the answer.
    public var patience: Duration = .seconds(10)

    public init() {}
  }

  /// A request without its headers: they mean nothing here.
  public struct Request: Sendable {
    public var method: String
    /// Path without its query.
    public var path: String
  }

  /// What a client is answered.
  public struct Answer: Sendable {
    public enum Body: Sendable {
      case bytes([UInt8])
      /// Sent as it comes, for as long as it comes; the client's time is not limited.
      case stream(AsyncStream<[UInt8]>)
    }

    public var status: Int
    public var type: String
    public var body: Body

    public init(status: Int = 200, type: String, body: Body) {
      self.status = status
      self.type = type
      self.body = body
    }

    /// One line of text.
    static func text(_ status: Int, _ line: String) -> Answer {
      Answer(
        status: status, type: "text/plain; charset=utf-8", body: .bytes(Array("\(line)\n".utf8)))
    }
  }

  public typealias Handler = @Sendable (Request) async -> Answer
  typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

  /// A client that nobody serves yet. It is not read from, and its time runs.
  private struct Client: Sendable {
    var channel: any Channel
    /// Closes it.
    var deadline: Scheduled<Void>
  }

  /// Where it listens, for people.
  public let place: String
  /// The loopback port, when it has one.
  public let port: Int?
  private let listener: NIOAsyncChannel<Client, Never>
  private let socket: StatusSocket?
  private let limits: Limits
  private let log: Logger
  private let handler: Handler
  private let open = Mutex(0)

  private init(
    place: String, listener: NIOAsyncChannel<Client, Never>, socket: StatusSocket?,
    limits: Limits, log: Logger, handler: @escaping Handler
  ) {
    self.place = place
    self.listener = listener
    port = listener.channel.localAddress?.port
    self.socket = socket
    self.limits = limits
    self.log = log
    self.handler = handler
  }

  // MARK: - Opening

  /// Listens on a Unix socket that this user alone may use. ``run()`` has to be called.
  ///
  /// - Throws: ``HostBridgeError`` with code `socketInUse` or `socketUnavailable`.
  public static func listen(
    onSocket path: String, limits: Limits = Limits(), log: Logger = Logger(label: "status"),
    handler: @escaping Handler
  ) async throws(HostBridgeError) -> LocalServer {
    let socket = try StatusSocket.open(path: path)
    do {
      let listener = try await bootstrap(limits)
        .bind(socket.descriptor, cleanupExistingSocketFile: false) { channel in
          welcome(channel, limits)
        }
      return LocalServer(
        place: path, listener: listener, socket: socket, limits: limits, log: log,
        handler: handler)
    } catch {
      socket.remove()
      throw HostBridgeError(
        code: .socketUnavailable, message: "cannot answer on \(path): \(error)",
        remedy: "Name another path with --status-socket, or none to go without.")
    }
  }

  /// Listens on a port of 127.0.0.1, which other machines cannot reach. ``run()`` has to be called.
  ///
  /// - Parameter port: 1 to 65535, or 0 for any that is free.
  /// - Throws: ``HostBridgeError`` with code `portUnavailable`.
  public static func listen(
    onPort port: Int, limits: Limits = Limits(), log: Logger = Logger(label: "metrics"),
    handler: @escaping Handler
  ) async throws(HostBridgeError) -> LocalServer {
    do {
      let listener = try await bootstrap(limits)
        .bind(host: "127.0.0.1", port: port) { channel in welcome(channel, limits) }
      let bound = listener.channel.localAddress?.port ?? port
      return LocalServer(
        place: "http://127.0.0.1:\(bound)", listener: listener, socket: nil, limits: limits,
        log: log, handler: handler)
    } catch {
      let words = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
      throw HostBridgeError(
        code: .portUnavailable, message: "cannot listen on 127.0.0.1:\(port): \(words)",
        remedy: "Name another port with --metrics-port.")
    }
  }

  private static func bootstrap(_ limits: Limits) -> ServerBootstrap {
    ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: Int32(limits.connections))
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelOption(.autoRead, value: false)
  }

  /// On a client's event loop. A server that ends drops those whom nobody serves yet, so nothing here
  /// may need an end of its own.
  @Sendable
  private static func welcome(
    _ channel: any Channel, _ limits: Limits
  ) -> EventLoopFuture<Client> {
    let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(limits.patience)) {
      channel.close(promise: nil)
    }
    return channel.eventLoop.makeSucceededFuture(Client(channel: channel, deadline: deadline))
  }

  /// Sets HTTP up and begins to read.
  private func connect(_ channel: any Channel) async throws -> Connection {
    let connection = try await channel.eventLoop.submit { [limits] in
      try channel.pipeline.syncOperations.addHandler(RequestLimit(bytes: limits.requestBytes))
      try channel.pipeline.syncOperations.configureHTTPServerPipeline(
        withPipeliningAssistance: false)
      return try Connection(wrappingChannelSynchronously: channel)
    }.get()
    channel.setOption(.autoRead, value: true).whenFailure { _ in channel.close(promise: nil) }
    return connection
  }

  // MARK: - Serving

  /// Serves until the task is cancelled or the service group shuts down. A failure of the server
  /// ends the server and nothing else.
  public func run() async {
    await cancelWhenGracefulShutdown { await self.accept() }
    socket?.remove()
  }

  private func accept() async {
    do {
      try await listener.executeThenClose { clients in
        try await withThrowingDiscardingTaskGroup { group in
          for try await client in clients {
            let isTooMany = open.withLock { open in
              open += 1
              return open > limits.connections
            }
            group.addTask {
              await self.serve(client, isTooMany: isTooMany)
              self.open.withLock { $0 -= 1 }
            }
          }
        }
      }
    } catch is CancellationError {
      return
    } catch {
      log.error("nobody is answered on \(place) any more: \(error)")
    }
  }

  /// Answers a client's one request. What goes wrong is the client's affair.
  private func serve(_ client: Client, isTooMany: Bool) async {
    let channel = client.channel
    defer { client.deadline.cancel() }
    guard let connection = try? await connect(channel) else {
      channel.close(promise: nil)
      return
    }
    try? await connection.executeThenClose { inbound, _ in
      if isTooMany { return }
      for try await part in inbound {
        guard case .head(let head) = part else { continue }
        let path = head.uri.prefix { $0 != "?" }
        let answer =
          head.method == .GET || head.method == .HEAD
          ? await handler(Request(method: head.method.rawValue, path: String(path)))
          : .text(405, "only GET is answered here")
        if case .stream = answer.body { client.deadline.cancel() }
        try await send(answer, withBody: head.method != .HEAD, to: channel)
        return
      }
    }
  }

  private func send(_ answer: Answer, withBody: Bool, to channel: any Channel) async throws {
    // Straight to the channel: its writes end when the system has the bytes, so that closing it
    // afterwards cuts nothing off.
    func write(_ part: HTTPServerResponsePart) async throws {
      try await channel.writeAndFlush(part)
    }
    var head = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status),
      headers: ["Content-Type": answer.type, "Connection": "close", "Cache-Control": "no-store"])
    switch answer.body {
    case .bytes(let bytes):
      head.headers.add(name: "Content-Length", value: "\(bytes.count)")
      try await write(.head(head))
      if withBody { try await write(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
    case .stream(let stream):
      try await write(.head(head))
      if withBody {
        for await bytes in stream { try await write(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
      }
    }
    try await write(.end(nil))
  }
}

/// Closes a connection that sends more than a request needs.
private final class RequestLimit: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private var left: Int

  init(bytes: Int) { left = bytes }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    left -= unwrapInboundIn(data).readableBytes
    if left < 0 {
      context.close(promise: nil)
    } else {
      context.fireChannelRead(data)
    }
  }
}
