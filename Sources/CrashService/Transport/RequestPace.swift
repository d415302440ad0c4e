// Ends connections that hold the service up: heads and bodies that trickle, answers that nobody reads, bodies
// that nobody wants.

import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Watches one connection, on its event loop.
final class RequestPace: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  /// The most bytes of a refused body that are read, so that the connection may go on: a client that is
  /// told in the middle of a body that the connection ends often reports that end, and not the answer.
  private static let worthReading = 16 * 1024 * 1024

  private let limits: TransportLimits
  private var timer: Scheduled<Void>?
  /// Bytes of the present request's body so far, and those to come as far as it says.
  private var received = 0
  private var announced: Int?
  private var isBodyOpen = false
  private var isAnswerOpen = false
  /// The answer is over, the body is not wanted: what still comes is thrown away.
  private var isLingering = false

  init(limits: TransportLimits) { self.limits = limits }

  func handlerAdded(context: ChannelHandlerContext) { expectHead(context, limits.headTime) }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    context.fireChannelInactive()
  }

  // MARK: - Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isLingering else {
      context.read()
      return
    }
    switch unwrapInboundIn(data) {
    case .head(let head):
      received = 0
      announced = head.headerFields[.contentLength].flatMap(Int.init)
      isBodyOpen = true
      isAnswerOpen = true
      watchBody(context, since: context.eventLoop.now)
    case .body(let buffer):
      received += buffer.readableBytes
    case .end:
      isBodyOpen = false
      if isAnswerOpen {
        timer?.cancel()
        timer = nil
      } else {
        expectHead(context, limits.idleTime)
      }
    }
    context.fireChannelRead(data)
  }

  /// The head has to be whole in time, whatever comes of it meanwhile.
  private func expectHead(_ context: ChannelHandlerContext, _ time: TimeAmount) {
    timer?.cancel()
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
      context.close(promise: nil)
    }
  }

  /// Looks from time to time whether the body comes as fast as it has to.
  private func watchBody(_ context: ChannelHandlerContext, since start: NIODeadline) {
    timer?.cancel()
    let deadline = start + limits.patience + .seconds(Int64(received / max(limits.slowestRate, 1)))
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
      guard self.isBodyOpen else { return }
      let due =
        start + self.limits.patience
        + .seconds(Int64(self.received / max(self.limits.slowestRate, 1)))
      if due <= context.eventLoop.now {
        context.close(promise: nil)
      } else {
        self.watchBody(context, since: start)
      }
    }
  }

  // MARK: - Answers

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where isBodyUnwanted && head.status.kind != .informational:
      head.headerFields[.connection] = "close"
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end where isBodyUnwanted:
      isAnswerOpen = false
      context.writeAndFlush(data, promise: promise)
      linger(context)
    case .end:
      isAnswerOpen = false
      context.write(data, promise: promise)
      // What is left of the body has its own time.
      if !isBodyOpen { expectHead(context, limits.idleTime) }
    case .head, .body:
      context.write(data, promise: promise)
    }
  }

  /// Whether more of the body is to come than is worth reading for nothing.
  private var isBodyUnwanted: Bool {
    guard isBodyOpen else { return false }
    return announced.map { $0 - received > Self.worthReading } ?? true
  }

  /// Closes so that the client gets the answer although it still sends: a connection that is closed with
  /// bytes unread is reset, and the answer lost. The answer says that it is the last; a client that
  /// understands that closes first.
  private func linger(_ context: ChannelHandlerContext) {
    isLingering = true
    expectHead(context, .seconds(2))
    context.read()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if !context.channel.isWritable {
      expectHead(context, limits.patience)
    } else if isAnswerOpen, !isBodyOpen {
      timer?.cancel()
      timer = nil
    }
    context.fireChannelWritabilityChanged()
  }
}
