// A server on a socket that answers with whatever bytes a test wants, or with none.

import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import HostBridge

/// Reads HTTP requests and answers each as the test says.
final class RawServer: Sendable {
  enum Reply: Sendable {
    /// These bytes; the connection stays.
    case bytes(String)
    /// These bytes, and the connection is closed.
    case end(String)
    /// Nothing, for as long as the other side waits.
    case silence
    /// These bytes, one every 20 ms.
    case drip(String)

    /// A whole answer.
    static func answer(
      _ status: String, _ body: String, headers: [String] = [], claimed: Int? = nil
    ) -> Reply {
      .bytes(
        (["HTTP/1.1 \(status)", "Content-Length: \(claimed ?? body.utf8.count)"] + headers + [
          "", body,
        ])
        .joined(separator: "\r\n"))
    }

    /// What a service in good health says.
    static func healthy(_ request: Request) -> Reply {
      request.line.hasPrefix("PUT")
        ? .answer("201 Created", #"{"id":"d-1"}"#)
        : .answer("200 OK", #"{"verdicts":["send"]}"#)
    }
  }

  struct Request: Sendable {
    var line: String
    var body: [UInt8]
  }

  struct Seen: Sendable {
    var connections = 0
    var requests: [Request] = []
  }

  private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private let state = Mutex(Seen())
  private let script: Mutex<@Sendable (Request) -> Reply>

  var seen: Seen { state.withLock { $0 } }
  func answer(_ script: @escaping @Sendable (Request) -> Reply) {
    self.script.withLock { $0 = script }
  }

  private init(_ script: @escaping @Sendable (Request) -> Reply) { self.script = Mutex(script) }

  /// Serves for the length of `body`, which is given the server and its port.
  static func with(
    tls: TLSConfiguration? = nil, host: String = "127.0.0.1",
    _ script: @escaping @Sendable (Request) -> Reply,
    _ body: (RawServer, Int) async throws -> Void
  ) async throws {
    let server = RawServer(script)
    let context = try tls.map { try NIOSSLContext(configuration: $0) }
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: host, port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          }
          return try Connection(wrappingChannelSynchronously: channel)
        }
      }
    let port = listener.channel.localAddress?.port ?? 0
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await server.serve(listener) }
      defer { group.cancelAll() }
      try await body(server, port)
    }
  }

  private func serve(_ listener: NIOAsyncChannel<Connection, Never>) async throws {
    try await listener.executeThenClose { connections in
      await withDiscardingTaskGroup { group in
        do {
          for try await connection in connections {
            state.withLock { $0.connections += 1 }
            group.addTask { try? await self.serve(connection) }
          }
        } catch {
          // The test is over.
        }
        group.cancelAll()
      }
    }
  }

  private func serve(_ connection: Connection) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var bytes: [UInt8] = []
      for try await chunk in inbound {
        bytes += Array(buffer: chunk)
        while let request = Self.takeRequest(&bytes) {
          state.withLock { $0.requests.append(request) }
          let reply = script.withLock { $0 }(request)
          switch reply {
          case .bytes(let text): try await outbound.write(ByteBuffer(string: text))
          case .end(let text):
            try await outbound.write(ByteBuffer(string: text))
            return
          case .silence: break
          case .drip(let text):
            for byte in text.utf8 {
              try await outbound.write(ByteBuffer(bytes: [byte]))
              try await Task.sleep(for: .milliseconds(20))
            }
          }
        }
      }
    }
  }

  /// Takes one whole request off the front.
  private static func takeRequest(_ bytes: inout [UInt8]) -> Request? {
    guard let end = Data(bytes).firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
    let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
      .components(separatedBy: "\r\n")
    let length =
      head.first { $0.lowercased().hasPrefix("content-length:") }
      .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
    guard bytes.count >= end.upperBound + length else { return nil }
    let body = Array(bytes[end.upperBound..<end.upperBound + length])
    bytes.removeFirst(end.upperBound + length)
    return Request(line: head.first ?? "", body: body)
  }
}
