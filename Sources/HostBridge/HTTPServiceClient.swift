// The crash service over HTTP.

import AsyncHTTPClient
import DumpFormat
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceAPI

/// ``ServiceClient`` on AsyncHTTPClient: HTTP/1.1 with connections kept alive, HTTP/2 where an HTTPS
/// service offers it.
public struct HTTPServiceClient: ServiceClient {
  /// The longest answer that is read, bytes.
  private static let largestAnswer = 1 << 20

  /// The slowest way to a service that still gets a dump through, bytes a second.
  private static let slowestRate = 8_192

  private let base: String
  private let token: String?
  private let timeout: Duration
  private let pool: ConnectionPool

  /// - Parameters:
  ///   - service: the service's address, `http://` or `https://`, with or without a path.
  ///   - timeout: for a whole call, its answer included; more is given for what a large dump takes.
  ///   - login: what is shown to the service, and whom to trust for it.
  /// - Throws: ``HostBridgeError`` with code `invalidSetting`.
  public init(
    service: String, timeout: Duration = .seconds(15), login: ServiceLogin = ServiceLogin()
  ) throws(HostBridgeError) {
    guard let url = URL(string: service), let scheme = url.scheme, url.host != nil,
      ["http", "https"].contains(scheme)
    else {
      throw HostBridgeError(
        code: .invalidSetting, message: "'\(service)' is not the address of a service",
        remedy: "Write https://127.0.0.1:8730, for example.")
    }
    base = service.hasSuffix("/") ? String(service.dropLast()) : service
    self.timeout = timeout
    token = login.token
    pool =
      login.authorities == nil && login.certificate == nil
      ? .shared : ConnectionPool(try Self.tls(login))
  }

  /// What connections are made with.
  private static func tls(_ login: ServiceLogin) throws(HostBridgeError) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    if let file = login.authorities {
      tls.additionalTrustRoots = [.certificates(try certificates(in: file))]
    }
    if let file = login.certificate, let keyFile = login.key {
      tls.certificateChain = try certificates(in: file).map { .certificate($0) }
      do {
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: keyFile, format: .pem))
      } catch {
        throw HostBridgeError(
          code: .invalidSetting, message: "\(keyFile) holds no key that can be read",
          remedy: "Name the key of \(file), in PEM form (BEGIN PRIVATE KEY).")
      }
    }
    return tls
  }

  private static func certificates(
    in file: String
  ) throws(HostBridgeError) -> [NIOSSLCertificate] {
    do {
      let certificates = try NIOSSLCertificate.fromPEMFile(file)
      if !certificates.isEmpty { return certificates }
    } catch {
      // One sentence for all that can be wrong with a file.
    }
    throw HostBridgeError(
      code: .invalidSetting, message: "\(file) holds no certificate that can be read",
      remedy: "Name a file of certificates in PEM form (BEGIN CERTIFICATE).")
  }

  public func lease(
    device: String, _ request: LeaseRequest
  ) async throws(ServiceFailure) -> LeaseAnswer {
    try await post(request, to: DevicePath.lease(device: device))
  }

  public func offer(
    device: String, _ request: OfferRequest
  ) async throws(ServiceFailure) -> OfferAnswer {
    try await post(request, to: DevicePath.offers(device: device))
  }

  public func upload(
    _ identity: DumpIdentity, bytes: [UInt8]
  ) async throws(ServiceFailure) -> DumpReceipt {
    let path = DevicePath.dump(
      device: identity.device, bootCount: identity.key.bootCount, sequence: identity.key.sequence)
    return try await call(.PUT, path, type: "application/octet-stream", ByteBuffer(bytes: bytes))
  }

  public func count(
    device: String, _ request: CountRequest
  ) async throws(ServiceFailure) -> CountAnswer {
    try await post(request, to: DevicePath.counts(device: device))
  }

  public func consents(_ request: ConsentRequest) async throws(ServiceFailure) -> ConsentAnswer {
    try await post(request, to: ConsentPath.consents)
  }

  private func post<Answer: Decodable>(
    _ request: some Encodable, to path: String
  ) async throws(ServiceFailure) -> Answer {
    try await send(.POST, request, to: path)
  }

  func send<Answer: Decodable>(
    _ method: HTTPMethod, _ request: some Encodable, to path: String
  ) async throws(ServiceFailure) -> Answer {
    let body: Data
    do {
      body = try JSONEncoder().encode(request)
    } catch {
      throw ServiceFailure(status: nil, code: "NotEncodable", message: "\(error)")
    }
    return try await call(method, path, type: "application/json", ByteBuffer(bytes: body))
  }

  /// Every call to the service goes through here.
  private func call<Answer: Decodable>(
    _ method: HTTPMethod, _ path: String, type: String, _ body: ByteBuffer
  ) async throws(ServiceFailure) -> Answer {
    var request = HTTPClientRequest(url: base + path)
    request.method = method
    request.headers.add(name: "Content-Type", value: type)
    request.headers.add(name: "Accept", value: "application/json")
    if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
    request.body = .bytes(body)
    let status: HTTPResponseStatus
    let headers: HTTPHeaders
    let answer: ByteBuffer
    let patience = timeout + .seconds(body.readableBytes / Self.slowestRate)
    do {
      (status, headers, answer) = try await exchange(request, within: patience)
    } catch {
      throw failure(error)
    }
    guard 200..<300 ~= status.code else { throw failure(status, headers, answer) }
    do {
      return try JSONDecoder().decode(Answer.self, from: Data(answer.readableBytesView))
    } catch {
      // Not the service, or not a version this code understands: trying again is right, but
      // nothing was acknowledged.
      throw ServiceFailure(
        status: nil, code: ServiceFailure.notUnderstood,
        message: "\(base)\(path) answered \(status.code) with something that is not its answer")
    }
  }

  private func failure(
    _ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ answer: ByteBuffer
  ) -> ServiceFailure {
    let content = try? JSONDecoder().decode(
      ServiceErrorBody.self, from: Data(answer.readableBytesView)
    ).error
    let retryAfter = headers.first(name: "Retry-After").flatMap {
      RetryAfter.read($0, date: headers.first(name: "Date"))
    }
    return ServiceFailure(
      status: Int(status.code), code: content?.code ?? ServiceFailure.nameless,
      message: content?.message ?? "\(base) answered \(status.code) \(status.reasonPhrase)",
      retryAfter: retryAfter)
  }

  /// Sends a request and reads the whole answer.
  ///
  /// - Throws: `HTTPClientError.deadlineExceeded` when the answer is not whole in time. The library's
  ///   own deadline ends with the answer's head.
  private func exchange(
    _ request: HTTPClientRequest, within patience: Duration
  ) async throws -> (HTTPResponseStatus, HTTPHeaders, ByteBuffer) {
    try await withThrowingTaskGroup { group in
      defer { group.cancelAll() }
      group.addTask {
        let response = try await pool.client.execute(request, timeout: TimeAmount(patience))
        let answer = try await response.body.collect(upTo: Self.largestAnswer)
        return (response.status, response.headers, answer)
      }
      group.addTask {
        try await Task.sleep(for: patience)
        throw HTTPClientError.deadlineExceeded
      }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  /// A call that brought no answer.
  private func failure(_ error: any Error) -> ServiceFailure {
    let words: (code: String, message: String) =
      switch error {
      case is NIOTooManyBytesError:
        (
          ServiceFailure.notUnderstood,
          "\(base) answered with more than \(Self.largestAnswer) bytes, which is not its answer"
        )
      case _ where Self.isBrokenOff(error):
        (ServiceFailure.unreachable, "\(base) closed the connection before its answer was whole")
      case is HTTPParserError:
        (ServiceFailure.notUnderstood, "what answers at \(base) does not speak HTTP")
      case let error as HTTPClientError where error == .deadlineExceeded:
        (ServiceFailure.unreachable, "no answer from \(base) in time")
      case let error as HTTPClientError where error == .connectTimeout:
        (ServiceFailure.unreachable, "no connection to \(base) in time")
      case _ where Self.isMistrust(error):
        (
          ServiceFailure.untrusted,
          "the certificate of \(base) is not trusted, so nothing was sent: \(error)"
        )
      default: (ServiceFailure.unreachable, "no answer from \(base): \(error)")
      }
    return ServiceFailure(status: nil, code: words.code, message: words.message)
  }

  /// Whether the connection ended in the middle of the answer.
  private static func isBrokenOff(_ error: any Error) -> Bool {
    switch error {
    case let error as HTTPParserError: error == .invalidEOFState
    case let error as HTTPClientError: error == .remoteConnectionClosed
    default: false
    }
  }

  /// Whether a handshake failed because of the certificate, its name or its date.
  private static func isMistrust(_ error: any Error) -> Bool {
    switch error {
    case is NIOSSLExtraError: true
    // BoringSSL's word for it is only in its text.
    case NIOSSLError.handshakeFailed(let reason): "\(reason)".contains("CERTIFICATE_VERIFY_FAILED")
    default: false
    }
  }
}

/// Connections to services, kept alive between calls.
private final class ConnectionPool: Sendable {
  /// Trusts whom the system trusts.
  static let shared = ConnectionPool(.makeClientConfiguration())

  let client: HTTPClient

  init(_ tls: TLSConfiguration) {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(3)
    // The library would keep trying to connect until a call's time is over, and a board waits for
    // the answer.
    configuration.connectionPool.retryConnectionEstablishment = false
    // A redirection is a captive portal's or a wrong address; a dump does not follow it.
    configuration.redirectConfiguration = .disallow
    configuration.tlsConfiguration = tls
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  deinit {
    // The library wants it said; nobody waits for it.
    client.shutdown { _ in }
  }
}
