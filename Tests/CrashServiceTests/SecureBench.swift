// A service that listens with TLS, and clients that connect to it.

import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceAPI
import ServiceLifecycle

@testable import CrashService

/// A service on a port of its own, over real sockets.
struct SecureBench: Sendable {
  let service: CrashService
  let security: TransportSecurity
  let authority: CertificateAuthority
  let port: Int
  let clock: TestClock
  let log: LineLog

  /// Runs `body` while the service listens.
  /// - Parameter source: the certificate that it shows; one of its own authority when absent.
  static func run(
    folder: TestFolder = TestFolder(), clock: TestClock = TestClock.present(),
    source: (@Sendable (CertificateAuthority) throws -> ServerCertificateSource)? = nil,
    _ body: @escaping @Sendable (SecureBench) async throws -> Void
  ) async throws {
    let log = LineLog()
    let logger = Logger(label: "test") { _ in log }
    let service = try await CrashService(
      dataFolder: folder.url, masterKey: ServiceBench.masterKey, loginAge: .zero,
      clock: clock.watched, logger: logger)
    let authority = try CertificateAuthority(
      in: folder.url, masterKey: ServiceBench.masterKey, now: clock.now)
    let security = try TransportSecurity(
      source: source?(authority)
        ?? .authority(
          authority, dataFolder: folder.url, masterKey: ServiceBench.masterKey, names: []),
      clients: authority, now: { clock.now }, logger: logger)
    try await withListener(service, .tls(security), TransportLimits(), logger) { port in
      try await body(
        SecureBench(
          service: service, security: security, authority: authority, port: port, clock: clock,
          log: log))
    }
    try await service.close()
  }

  /// What a client gets that trusts an authority and shows a certificate or a token.
  /// - Parameter authorities: a PEM file; that of the service's own authority when absent.
  func get(
    _ path: String, trusting authorities: URL? = nil,
    showing certificate: BridgeCertificate? = nil, token: String? = nil
  ) async throws -> (status: HTTPResponseStatus, body: String) {
    try await send(.GET, path, trusting: authorities, showing: certificate, token: token)
  }

  func put(_ path: String, _ body: String, token: String) async throws -> (
    status: HTTPResponseStatus, body: String
  ) {
    try await send(.PUT, path, body: body, token: token)
  }

  private func send(
    _ method: HTTPMethod, _ path: String, body: String? = nil, trusting authorities: URL? = nil,
    showing certificate: BridgeCertificate? = nil, token: String? = nil
  ) async throws -> (status: HTTPResponseStatus, body: String) {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .certificates(
      try NIOSSLCertificate.fromPEMFile((authorities ?? authority.certificateFile).path))
    if let certificate {
      tls.certificateChain = [
        .certificate(
          try NIOSSLCertificate(bytes: Array(certificate.certificatePEM.utf8), format: .pem))
      ]
      tls.privateKey = .privateKey(
        try NIOSSLPrivateKey(bytes: Array(certificate.keyPEM.utf8), format: .pem))
    }
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
    configuration.connectionPool.retryConnectionEstablishment = false
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let version = path.hasPrefix("/subscriptions/") ? "?api-version=2024-04-01" : ""
    var request = HTTPClientRequest(url: "https://127.0.0.1:\(port)\(path)\(version)")
    request.method = method
    if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
    if let body { request.body = .bytes(ByteBuffer(string: body)) }
    do {
      let answer = try await client.execute(request, timeout: .seconds(30))
      let text = String(buffer: try await answer.body.collect(upTo: 1 << 20))
      try await client.shutdown()
      return (answer.status, text)
    } catch {
      try await client.shutdown()
      throw error
    }
  }
}

extension TestClock {
  /// Begins at the time that it is: clients hold certificates against their machine's clock.
  static func present() -> TestClock {
    let clock = TestClock()
    clock.advance(seconds: Date().timeIntervalSince(clock.now))
    return clock
  }
}

/// Listens on a free port while `body` runs.
func withListener(
  _ service: CrashService, _ transport: Transport, _ limits: TransportLimits, _ logger: Logger,
  _ body: @escaping @Sendable (Int) async throws -> Void
) async throws {
  let (ports, port) = AsyncStream.makeStream(of: Int.self)
  let application = service.application(
    host: "127.0.0.1", port: 0, transport: transport, limits: limits
  ) {
    port.yield($0)
  }
  let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
  try await withThrowingTaskGroup(of: Void.self) { tasks in
    tasks.addTask { try await group.run() }
    for await number in ports {
      try await body(number)
      break
    }
    await group.triggerGracefulShutdown()
    try await tasks.waitForAll()
  }
}
