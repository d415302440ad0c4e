// Counts the connections that are open.

import NIOCore

/// One per connection, on its event loop.
final class ConnectionCounter: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  private let metrics: ServiceMetrics
  private var isCounted = false

  init(_ metrics: ServiceMetrics) { self.metrics = metrics }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { count() }
  }

  func channelActive(context: ChannelHandlerContext) {
    count()
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    if isCounted { metrics.disconnected() }
    isCounted = false
    context.fireChannelInactive()
  }

  private func count() {
    if !isCounted { metrics.connected() }
    isCounted = true
  }
}
