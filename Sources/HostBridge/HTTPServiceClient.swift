// The crash service over HTTP.

import AsyncHTTPClient
import DumpFormat
import Foundation
import NIOCore
import NIOHTTP1
import ServiceAPI

/// ``ServiceClient`` on AsyncHTTPClient, with one pool of connections for all of them.
public struct HTTPServiceClient: ServiceClient {
  /// The longest answer that is read, bytes.
  private static let largestAnswer = 1 << 20

  /// Not the library's own shared client: that one keeps trying to connect until a call's time is
  /// over, and a board waits for the answer.
  private static let pool: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(3)
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  private let base: String
  private let timeout: TimeAmount

  /// - Parameters:
  ///   - service: the service's address, `http://` or `https://`, with or without a path.
  ///   - timeout: for a whole call, its answer included.
  /// - Throws: ``HostBridgeError`` with code `invalidSetting`.
  public init(
    service: String, timeout: Duration = .seconds(15)
  ) throws(HostBridgeError) {
    guard let url = URL(string: service), let scheme = url.scheme, url.host != nil,
      ["http", "https"].contains(scheme)
    else {
      throw HostBridgeError(
        code: .invalidSetting, message: "'\(service)' is not the address of a service",
        remedy: "Write http://127.0.0.1:8730, for example.")
    }
    base = service.hasSuffix("/") ? String(service.dropLast()) : service
    self.timeout = TimeAmount(timeout)
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

  private func post<Answer: Decodable>(
    _ request: some Encodable, to path: String
  ) async throws(ServiceFailure) -> Answer {
    let body: Data
    do {
      body = try JSONEncoder().encode(request)
    } catch {
      throw ServiceFailure(status: nil, code: "NotEncodable", message: "\(error)")
    }
    return try await call(.POST, path, type: "application/json", ByteBuffer(bytes: body))
  }

  /// Every call to the service goes through here.
  private func call<Answer: Decodable>(
    _ method: HTTPMethod, _ path: String, type: String, _ body: ByteBuffer
  ) async throws(ServiceFailure) -> Answer {
    var request = HTTPClientRequest(url: base + path)
    request.method = method
    request.headers.add(name: "Content-Type", value: type)
    request.headers.add(name: "Accept", value: "application/json")
    request.body = .bytes(body)
    let status: HTTPResponseStatus
    let headers: HTTPHeaders
    let answer: ByteBuffer
    do {
      let response = try await Self.pool.execute(request, timeout: timeout)
      status = response.status
      headers = response.headers
      answer = try await response.body.collect(upTo: Self.largestAnswer)
    } catch {
      throw ServiceFailure(
        status: nil, code: "Unreachable", message: "no answer from \(base): \(error)")
    }
    guard 200..<300 ~= status.code else { throw failure(status, headers, answer) }
    do {
      return try JSONDecoder().decode(Answer.self, from: Data(answer.readableBytesView))
    } catch {
      // Not the service, or not a version this code understands: trying again is right, but
      // nothing was acknowledged.
      throw ServiceFailure(
        status: nil, code: "AnswerNotUnderstood",
        message: "\(base)\(path) answered \(status.code) with something that is not its answer")
    }
  }

  private func failure(
    _ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ answer: ByteBuffer
  ) -> ServiceFailure {
    let content = try? JSONDecoder().decode(
      ServiceErrorBody.self, from: Data(answer.readableBytesView)
    ).error
    // Seconds only: the date form would need the service's clock to agree with this one.
    let seconds = headers.first(name: "Retry-After").flatMap { Int($0) }
    return ServiceFailure(
      status: Int(status.code), code: content?.code ?? "Unknown",
      message: content?.message ?? "the service answered \(status.code) \(status.reasonPhrase)",
      retryAfter: seconds.map { .seconds(max(0, min($0, 86_400))) })
  }
}
