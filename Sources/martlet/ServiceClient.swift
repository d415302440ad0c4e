// Speaks to the service.

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceAPI

/// One service, and its errors in words.
struct ServiceClient: Sendable {
  /// The largest answer that is read, bytes.
  static let largestAnswer = 64 << 20

  /// Without a slash at the end.
  let address: String
  private let token: String?
  private let pool: ConnectionPool

  init(address: String, login: ServiceLogin) throws {
    self.address = address
    token = login.token
    pool = try ConnectionPool(trusting: login.authorities)
  }

  func get<Answer: Decodable>(_ path: String, _ type: Answer.Type = Answer.self) async throws
    -> Answer
  {
    try decode(try await send(.GET, path).body)
  }

  /// The same; `nil` when there is none.
  func find<Answer: Decodable>(_ path: String) async throws -> Answer? {
    let answer = try await exchange(target(path), .GET, nil)
    if answer.status == .notFound { return nil }
    return try decode(try checked(answer).body)
  }

  func put<Answer: Decodable>(_ path: String, _ body: some Encodable) async throws -> Answer {
    try decode(try await send(.PUT, path, body).body)
  }

  func post<Answer: Decodable>(_ path: String, _ body: some Encodable) async throws -> Answer {
    try decode(try await send(.POST, path, body).body)
  }

  func patch<Answer: Decodable>(_ path: String, _ body: some Encodable) async throws -> Answer {
    try decode(try await send(.PATCH, path, body).body)
  }

  /// - Returns: false when there was nothing to delete.
  func delete(_ path: String) async throws -> Bool {
    try await send(.DELETE, path).status != .noContent
  }

  /// Every page of a list.
  func list<Item: Codable & Equatable & Sendable>(
    _ path: String, method: HTTPMethod = .GET, query: [(String, String)] = []
  ) async throws -> [Item] {
    var items: [Item] = []
    var next: String? = target(path, query)
    while let url = next {
      let page: ResourceList<Item> = try decode(try await sendTo(url, method, nil).body)
      items += page.value
      next = page.nextLink
    }
    return items
  }

  /// The bytes behind a path.
  func bytes(_ path: String) async throws -> Data { try await send(.GET, path).body }

  /// Starts an operation and waits until it is done.
  func perform(_ path: String, _ body: some Encodable) async throws {
    let start = try await send(.POST, path, body)
    guard let location = start.headers.first(name: "Location") else { return }
    while true {
      let answer = try await sendTo(location, .GET, nil)
      guard answer.status == .accepted else { return }
      let wait = answer.headers.first(name: "Retry-After").flatMap(Int.init) ?? 1
      try await Task.sleep(for: .seconds(min(max(wait, 1), 30)))
    }
  }

  // MARK: - One request

  private struct Answer {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    var body: Data
  }

  private func send(_ method: HTTPMethod, _ path: String, _ body: (any Encodable)? = nil)
    async throws -> Answer
  {
    try await sendTo(target(path), method, body)
  }

  private func sendTo(_ url: String, _ method: HTTPMethod, _ body: (any Encodable)?) async throws
    -> Answer
  {
    try checked(try await exchange(url, method, body))
  }

  private func checked(_ answer: Answer) throws -> Answer {
    guard (200..<300).contains(Int(answer.status.code)) else { throw failure(answer) }
    return answer
  }

  /// Whatever is answered.
  private func exchange(_ url: String, _ method: HTTPMethod, _ body: (any Encodable)?) async throws
    -> Answer
  {
    var request = HTTPClientRequest(url: url)
    request.method = method
    request.headers.add(name: "Accept", value: "application/json")
    if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
    if let body {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: try ServiceJSON.encoder().encode(body)))
    }
    do {
      let response = try await pool.client.execute(request, timeout: .seconds(60))
      let bytes = try await response.body.collect(upTo: Self.largestAnswer)
      return Answer(
        status: response.status, headers: response.headers, body: Data(bytes.readableBytesView))
    } catch {
      throw failure(error)
    }
  }

  /// Why no answer came.
  private func failure(_ error: any Error) -> CommandFailure {
    switch error {
    case _ where isMistrust(error):
      CommandFailure(
        message:
          "The certificate of the service at \(address) is not trusted, so nothing was sent.",
        remedy: "Name the authority that it comes from with --ca, in MARTLET_CA or with martlet "
          + "config set --ca: a service's own is tls/ca.pem in its data folder.")
    case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("WRONG_VERSION"):
      CommandFailure(
        message: "What answers at \(address) does not speak TLS.",
        remedy: "Write http:// for a service that was started with --http.")
    default:
      CommandFailure(
        message: "The service at \(address) does not answer: \(error).",
        remedy: "Start it with martlet-service run --data <folder>, or name another one with "
          + "--service or martlet config set --service. A service that was started without --http "
          + "is reached with https:// alone.")
    }
  }

  /// Whether a handshake failed because of the certificate, its name or its date.
  private func isMistrust(_ error: any Error) -> Bool {
    switch error {
    case is NIOSSLExtraError: true
    // BoringSSL's word for it is only in its text.
    case NIOSSLError.handshakeFailed(let reason): "\(reason)".contains("CERTIFICATE_VERIFY_FAILED")
    default: false
    }
  }

  private func failure(_ answer: Answer) -> CommandFailure {
    if let body = try? ServiceJSON.decoder().decode(ServiceErrorBody.self, from: answer.body) {
      return CommandFailure(message: "\(body.error.message) (\(body.error.code))")
    }
    return CommandFailure(
      message:
        "\(address) answered \(answer.status.code) \(answer.status.reasonPhrase), and not as "
        + "a Martlet crash service does.",
      remedy: "Check the address in --service.")
  }

  private func decode<Value: Decodable>(_ data: Data) throws -> Value {
    do {
      return try ServiceJSON.decoder().decode(Value.self, from: data)
    } catch {
      throw CommandFailure(
        message: "\(address) answered something that this version does not understand.",
        remedy: "Check that martlet and martlet-service are of the same release.")
    }
  }

  /// The address of a path of the service.
  private func target(_ path: String, _ query: [(String, String)] = []) -> String {
    let encoded = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
    return address + encoded + ResourceManagerPath.query(of: path) + text(query)
  }

  /// Only paths outside of the Resource Manager dialect have a query of their own.
  private func text(_ query: [(String, String)]) -> String {
    let allowed = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~$"))
    let pairs = query.map {
      "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: allowed) ?? $1)"
    }
    return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
  }
}

/// Connections of one command. Not the library's own shared client: that one keeps trying to connect until a
/// call's time is over, and somebody waits to hear that the service is not there.
private final class ConnectionPool: Sendable {
  let client: HTTPClient

  /// - Parameter authorities: a PEM file; trusted beside those of the system.
  init(trusting authorities: String?) throws {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(5)
    configuration.connectionPool.retryConnectionEstablishment = false
    // A redirection is a captive portal's or a wrong address; a token does not follow it.
    configuration.redirectConfiguration = .disallow
    var tls = TLSConfiguration.makeClientConfiguration()
    if let authorities {
      guard let certificates = try? NIOSSLCertificate.fromPEMFile(authorities),
        !certificates.isEmpty
      else {
        throw CommandFailure(
          message: "\(authorities) holds no certificate that can be read.",
          remedy: "Name a file of certificates in PEM form (BEGIN CERTIFICATE).")
      }
      tls.additionalTrustRoots = [.certificates(certificates)]
    }
    configuration.tlsConfiguration = tls
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  deinit {
    // The library wants it said; nobody waits for it.
    client.shutdown { _ in }
  }
}
