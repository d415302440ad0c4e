// How a connection becomes requests: TLS, HTTP/1.1 and the limits of both.

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOSSL

/// How callers reach the service.
public enum Transport: Sendable {
  /// In the clear, for programs of the same machine.
  case plaintext
  case tls(TransportSecurity)
}

/// A connection to the service.
///
/// Hummingbird's own channel does not tell requests over TLS from others, and addresses in answers are made of
/// the scheme.
struct ServiceChannel: ServerChildChannel, HTTPChannelHandler {
  typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

  let responder: HTTPChannelHandler.Responder
  let transport: Transport
  let metrics: ServiceMetrics

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      var isSecure = false
      if case .tls(let security) = transport {
        guard let context = security.context() else {
          // The server leaves a connection open whose set-up fails.
          channel.close(promise: nil)
          throw CertificateNotValid()
        }
        try pipeline.addHandler(NIOSSLServerHandler(context: context))
        isSecure = true
      }
      try pipeline.configureHTTPServerPipeline(
        withPipeliningAssistance: false, withErrorHandling: false,
        withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
        withDecoderLimitConfiguration: .init())
      try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure))
      try pipeline.addHandler(ConnectionCounter(metrics))
      try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: .seconds(60), logger: logger))
      return try NIOAsyncChannel(
        wrappingChannelSynchronously: channel,
        configuration: .init(isOutboundHalfClosureEnabled: true))
    }
  }

  func handle(value: Value, logger: Logger) async {
    await handleHTTP(asyncChannel: value, logger: logger)
  }
}

/// Ends the set-up of a connection.
private struct CertificateNotValid: Error {}
