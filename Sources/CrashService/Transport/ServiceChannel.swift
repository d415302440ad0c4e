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
  let limits: TransportLimits
  let limiter: ConnectionLimiter

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      guard limiter.admit(channel) else {
        channel.close(promise: nil)
        throw TooManyConnections()
      }
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
        withDecoderLimitConfiguration: decoderLimits)
      try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure))
      try pipeline.addHandler(ConnectionCounter(metrics))
      try pipeline.addHandler(RequestPace(limits: limits))
      // Ends connections between two requests when the service ends.
      try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
      return try NIOAsyncChannel(
        wrappingChannelSynchronously: channel,
        configuration: .init(isOutboundHalfClosureEnabled: true))
    }
  }

  private var decoderLimits: NIOHTTPDecoderLimitConfiguration {
    var decoder = NIOHTTPDecoderLimitConfiguration()
    decoder.maxHeaderFieldSize = limits.headerBytes
    decoder.maxHeaderListSize = limits.headerBytes
    decoder.maxHeaderFieldCount = limits.headerFields
    return decoder
  }

  func handle(value: Value, logger: Logger) async {
    await handleHTTP(asyncChannel: value, logger: logger)
  }
}

/// Ends the set-up of a connection.
private struct CertificateNotValid: Error {}
private struct TooManyConnections: Error {}
