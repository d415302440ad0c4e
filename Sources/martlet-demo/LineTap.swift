// Somebody on the line between board and bridge, who keeps what passes and says it again later.

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Passes bytes between the board's socket and whoever connects to the tap's own.
final class LineTap: Sendable {
  private struct State {
    /// What the bridge sent since the last `00`.
    var segment: [UInt8] = []
    var lease: [UInt8]?
    var bridge: NIOAsyncChannelOutboundWriter<ByteBuffer>?
  }

  private typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private let state = Mutex(State())
  private let (words, said) = AsyncStream.makeStream(of: [UInt8].self)

  /// The last LEASE frame that went to the board, its delimiters included.
  var lastLease: [UInt8]? { state.withLock { $0.lease } }

  /// Sends bytes to the board, as if they came from the bridge.
  func say(_ bytes: [UInt8]) { said.yield(bytes) }

  /// Works until the task is cancelled. `ready` is called once a bridge may connect.
  ///
  /// - Parameters:
  ///   - board: the path of the board's socket.
  ///   - path: where the bridge connects.
  func run(board: String, listeningAt path: String, ready: @Sendable () -> Void) async throws {
    let line = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(unixDomainSocketPath: board) { Self.wrap($0) }
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(unixDomainSocketPath: path) { Self.wrap($0) }
    ready()
    try await line.executeThenClose { fromBoard, toBoard in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.pass(fromBoard) }
        group.addTask { [words] in
          for await bytes in words { try await toBoard.write(ByteBuffer(bytes: bytes)) }
        }
        group.addTask {
          try await listener.executeThenClose { bridges in
            for try await bridge in bridges { try await self.serve(bridge, toBoard) }
          }
        }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }

  private static func wrap(_ channel: any NIOCore.Channel) -> EventLoopFuture<Channel> {
    channel.eventLoop.makeCompletedFuture {
      try Channel(wrappingChannelSynchronously: channel)
    }
  }

  private func pass(_ fromBoard: NIOAsyncChannelInboundStream<ByteBuffer>) async throws {
    for try await bytes in fromBoard {
      let bridge = state.withLock { $0.bridge }
      // A bridge that has just gone is no reason to stop.
      try? await bridge?.write(bytes)
    }
  }

  private func serve(
    _ bridge: Channel, _ toBoard: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) async throws {
    try await bridge.executeThenClose { fromBridge, toBridge in
      state.withLock { $0.bridge = toBridge }
      defer { state.withLock { $0.bridge = nil } }
      do {
        for try await bytes in fromBridge {
          state.withLock { Self.look(bytes, in: &$0) }
          try await toBoard.write(bytes)
        }
      } catch let error as IOError where error.errnoCode == ECONNRESET {
        // A bridge that was stopped; the next one is welcome.
      }
    }
  }

  /// Looks for LEASE frames: neither their marker nor their type needs COBS (docs/formats/link.md).
  private static func look(_ bytes: ByteBuffer, in state: inout State) {
    for byte in bytes.readableBytesView {
      guard byte == 0 else {
        state.segment.append(byte)
        continue
      }
      if state.segment.count > 3, state.segment[1] == 0x91, state.segment[2] == 0x83 {
        state.lease = [0] + state.segment + [0]
      }
      state.segment = []
    }
  }
}
