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

  /// What the client owes.
  private enum Duty {
    case nothing
    /// A head, or to read an answer, by that moment.
    case by(NIODeadline)
    /// A body that keeps up.
    case body(since: NIODeadline)
  }

  private let limits: TransportLimits
  private var duty = Duty.nothing
  /// One for all duties: most are done long before it fires, so it looks then what there is to do by when, and is
  /// not set anew with each.
  private var timer: (task: Scheduled<Void>, wakes: NIODeadline)?
  /// Bytes of the present request's body so far, and those to come as far as it says.
  private var received = 0
  private var announced: Int?
  private var isBodyOpen = false
  private var isAnswerOpen = false
  /// The answer is over, the body is not wanted: what still comes is thrown away.
  private var isLingering = false

  init(limits: TransportLimits) { self.limits = limits }

  func handlerAdded(context: ChannelHandlerContext) { expectHead(context, limits.headTime) }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.task.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.task.cancel()
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
      expect(context, .body(since: context.eventLoop.now))
    case .body(let buffer):
      received += buffer.readableBytes
    case .end:
      isBodyOpen = false
      if isAnswerOpen { duty = .nothing } else { expectHead(context, limits.idleTime) }
    }
    context.fireChannelRead(data)
  }

  /// The head has to be whole in time, whatever comes of it meanwhile.
  private func expectHead(_ context: ChannelHandlerContext, _ time: TimeAmount) {
    expect(context, .by(context.eventLoop.now + time))
  }

  private func expect(_ context: ChannelHandlerContext, _ duty: Duty) {
    self.duty = duty
    guard let deadline else { return }
    if let timer, timer.wakes <= deadline { return }
    timer?.task.cancel()
    let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
      self.timer = nil
      if let deadline = self.deadline, deadline <= context.eventLoop.now {
        context.close(promise: nil)
      } else {
        self.expect(context, self.duty)
      }
    }
    timer = (task, deadline)
  }

  /// When the connection ends unless the client does its duty.
  private var deadline: NIODeadline? {
    switch duty {
    case .nothing: nil
    case .by(let deadline): deadline
    case .body(let start):
      start + limits.patience + .seconds(Int64(received / max(limits.slowestRate, 1)))
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
      duty = .nothing
    }
    context.fireChannelWritabilityChanged()
  }
}
