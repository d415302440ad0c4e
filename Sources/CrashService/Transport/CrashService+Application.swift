// The service on a port.

import Hummingbird
import HummingbirdCore
import ServiceLifecycle

extension CrashService {
  /// The service as an application that listens.
  /// - Parameters:
  ///   - port: 0 lets the system choose.
  ///   - onListening: called once with the port, when connections are accepted.
  public func application(
    host: String, port: Int, transport: Transport = .plaintext,
    limits: TransportLimits = TransportLimits(),
    onListening: @escaping @Sendable (Int) async -> Void = { _ in }
  ) -> some ApplicationProtocol {
    var services: [any Service] = []
    if case .tls(let security) = transport {
      services.append(security)
      readiness.add(.certificate(security))
    }
    let limiter = ConnectionLimiter(limits: limits)
    return Application(
      responder: responder(),
      server: HTTPServerBuilder { [metrics] in
        ServiceChannel(
          responder: $0, transport: transport, metrics: metrics, limits: limits,
          limiter: limiter)
      },
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: port), serverName: "martlet-service"),
      services: services,
      onServerRunning: { channel in await onListening(channel.localAddress?.port ?? port) },
      logger: logger)
  }
}
