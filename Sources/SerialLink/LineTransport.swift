// Unix sockets, TCP ports and serial ports, on SwiftNIO.

import NIOCore
import NIOPosix

/// The transport for every line that the system offers as a file descriptor.
public struct LineTransport: BoardTransport {
  private typealias Line = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private let group: any EventLoopGroup
  private let connectTimeout: TimeAmount

  /// - Parameters:
  ///   - group: where the lines are served.
  ///   - connectTimeout: how long a socket may take to connect.
  public init(
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
    connectTimeout: Duration = .seconds(5)
  ) {
    self.group = group
    self.connectTimeout = TimeAmount(connectTimeout)
  }

  public func withConnection<Result: Sendable>(
    to address: BoardAddress,
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result {
    try Task.checkCancellation()
    let line = try await open(address)
    return try await line.executeThenClose { inbound, outbound in
      try await body(
        BoardInbound(inbound.map { Array(buffer: $0) }),
        BoardOutbound { bytes in try await outbound.write(ByteBuffer(bytes: bytes)) })
    }
  }

  private func open(_ address: BoardAddress) async throws -> Line {
    switch address {
    case .unix(let path):
      try await connect(to: address) { bootstrap in
        try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: Self.wrap)
      }
    case .tcp(let host, let port):
      try await connect(to: address) { bootstrap in
        try await bootstrap
          .channelOption(.tcpOption(.tcp_nodelay), value: 1)
          .connect(host: host, port: port, channelInitializer: Self.wrap)
      }
    case .tty(let path, let baud):
      try await openTerminal(path: path, baud: baud)
    case .usb:
      throw SerialLinkError(code: .cannotOpen, message: "\(address) is no file of the system")
    }
  }

  private func connect(
    to address: BoardAddress, _ connect: (ClientBootstrap) async throws -> Line
  ) async throws -> Line {
    do {
      return try await connect(ClientBootstrap(group: group).connectTimeout(connectTimeout))
    } catch let error as IOError {
      throw SerialLinkError(errno: error.errnoCode, verb: "connect to", what: "\(address)")
    } catch let error as NIOConnectionError {
      let reasons =
        error.connectionErrors.map { "\($0.error)" }
        + [error.dnsAError, error.dnsAAAAError]
        .compactMap { $0.map { "\($0)" } }
      throw SerialLinkError(
        code: .notThere, message: "cannot connect to \(address): \(reasons.first ?? "no address")")
    } catch is ChannelError {
      throw SerialLinkError(
        code: .notThere, message: "cannot connect to \(address): no answer in time")
    }
  }

  private func openTerminal(path: String, baud: Int) async throws -> Line {
    let descriptor = try Terminal.open(path: path, baud: baud)
    do {
      return try await NIOPipeBootstrap(group: group).takingOwnershipOfDescriptor(
        inputOutput: descriptor, channelInitializer: Self.wrap)
    } catch {
      Terminal.close(descriptor)
      throw SerialLinkError(code: .cannotOpen, message: "cannot use \(path) as a line: \(error)")
    }
  }

  @Sendable
  private static func wrap(_ channel: any Channel) -> EventLoopFuture<Line> {
    channel.eventLoop.makeCompletedFuture { try Line(wrappingChannelSynchronously: channel) }
  }
}
