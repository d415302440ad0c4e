// A service on a folder of its own, and short ways to ask it things.

import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import MartletTestKit
import NIOCore
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

/// A clock that tests set.
final class TestClock: Sendable {
  private struct State {
    var time = Date(timeIntervalSince1970: 1_800_000_000)
    var uptime = Duration.zero
  }

  private let state = Mutex(State())

  var now: Date { state.withLock { $0.time } }
  var uptime: Duration { state.withLock { $0.uptime } }

  /// The same clock, as the service watches it.
  var watched: ServiceClock { ServiceClock(wall: { self.now }, uptime: { self.uptime }) }

  /// Lets time pass.
  func advance(seconds: TimeInterval) {
    state.withLock {
      $0.time += seconds
      $0.uptime += .seconds(seconds)
    }
  }

  /// Sets the clock ahead, or back, while no time passes.
  func jump(seconds: TimeInterval) { state.withLock { $0.time += seconds } }
}

/// A folder that is gone when the test is over.
final class TestFolder: Sendable {
  let url: URL
  private let isKept: Bool
  let engine: BenchEngine
  /// Where the databases of services on this folder are, when they are not in it.
  private let databases: BenchDatabases

  /// For services on a server of the test's own.
  convenience init(server: PostgresServer) {
    self.init(engine: .postgres, databases: BenchDatabases { _ in server })
  }

  /// - Parameters:
  ///   - engine: of services on this folder.
  ///   - databases: of services on PostgreSQL.
  init(engine: BenchEngine = .current, databases: BenchDatabases = BenchDatabases()) {
    url = FileManager.default.temporaryDirectory
      .appending(path: "martlet-service-\(UUID().uuidString)")
    isKept = false
    self.engine = engine
    self.databases = databases
  }

  /// - Parameter isKept: it stays when the test is over.
  init(at url: URL, isKept: Bool = false, databases: BenchDatabases = BenchDatabases()) {
    self.url = url
    self.isKept = isKept
    engine = .current
    self.databases = databases
  }

  /// The databases of services on this folder: the same again and again.
  func storage() async throws -> ServiceStorage {
    switch engine {
    case .sqlite: .folder
    case .postgres: .postgres(try await databases.storage())
    }
  }

  deinit { if !isKept { try? FileManager.default.removeItem(at: url) } }

  /// Every file below the folder, by its path there, with what is in it.
  func files() throws -> [(path: String, content: Data)] {
    try FileManager.default.subpathsOfDirectory(atPath: url.path).compactMap { path in
      let file = url.appending(path: path)
      let isFile = try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile ?? false
      return isFile ? (path, try Data(contentsOf: file)) : nil
    }
  }
}

/// What a request got.
struct Answer {
  var status: HTTPResponse.Status
  var headers: HTTPFields
  var body: ByteBuffer

  func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try ServiceJSON.decoder().decode(type, from: Data(body.readableBytesView))
  }

  /// The code of an error answer, in either dialect.
  var code: String? {
    (try? decoded(ServiceErrorBody.self))?.error.code
      ?? (try? decoded([TenantError].self))?.first?.code
  }
  /// The message of an error answer.
  var message: String { (try? decoded(ServiceErrorBody.self))?.error.message ?? "" }
}

/// A running service with a catalog, a product and a group, and one provisioned device in it.
///
/// What a device does, provisioning and sealing, is in ServiceBench+Device.swift.
struct ServiceBench: Sendable {
  static let scope = CatalogScope(subscription: "s", resourceGroup: "g")
  static let catalog = CatalogReference(scope: scope, name: "plant")
  static let product = ProductReference(catalog: catalog, name: "DW100")
  static let group = DeviceGroupReference(product: product, name: "Field Test")
  static let otherGroup = DeviceGroupReference(product: product, name: "Other")
  /// Even last digit: East US without a boundary.
  static let device = BenchDevice.even.text
  /// Odd last digit: West US without a boundary. Neither provisioned nor claimed.
  static let oddDevice = BenchDevice.odd.text
  static let masterKey = MasterKey()

  let service: CrashService
  let client: any TestClientProtocol
  let clock: TestClock
  let callers: BenchCallers
  /// Who sends the requests: somebody who may do everything, unless told otherwise.
  var caller = BenchCaller.everything

  /// Runs `body` against a service.
  /// - Parameters:
  ///   - folder: the data folder; one of its own when absent.
  ///   - setUp: makes the catalog and the groups, provisions and claims the device.
  ///   - live: over a socket instead of in the process.
  ///   - log: gets every line that the service logs.
  static func run(
    folder: TestFolder = TestFolder(), setUp: Bool = true, live: Bool = false,
    clock: TestClock = TestClock(), limits: ServiceLimits = ServiceLimits(),
    rates: RateLimits = RateLimits(), log: LineLog? = nil,
    _ body: @escaping @Sendable (ServiceBench) async throws -> Void
  ) async throws {
    try await BenchEngine.current.turns.take {
      try await runAtOnce(
        folder: folder, setUp: setUp, live: live, clock: clock, limits: limits, rates: rates,
        log: log, body)
    }
  }

  private static func runAtOnce(
    folder: TestFolder, setUp: Bool, live: Bool, clock: TestClock, limits: ServiceLimits,
    rates: RateLimits, log: LineLog?,
    _ body: @escaping @Sendable (ServiceBench) async throws -> Void
  ) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    if let log { logger = Logger(label: "test") { _ in log } }
    let service = try await CrashService(
      dataFolder: folder.url, storage: folder.storage(),
      masterKey: masterKey, loginAge: .zero, rates: rates, limits: limits, clock: clock.watched,
      logger: logger)
    let application = service.application(host: "localhost", port: 0)
    try await application.test(live ? .live : .router) { client in
      let bench = ServiceBench(
        service: service, client: client, clock: clock,
        callers: BenchCallers(store: service.access, clock: clock))
      if setUp { try await bench.setUp() }
      try await body(bench)
    }
    try await service.close()
  }

  func setUp() async throws {
    for path in [Self.catalog.path, Self.product.path, Self.group.path, Self.otherGroup.path] {
      let answer = try await put(path, "{}")
      #expect(answer.status == .created, "\(path): \(answer.message)")
    }
    #expect(try await provision(Self.device).status == .created)
    #expect(try await claim(Self.device).status == .accepted)
  }

  // MARK: - Requests

  func send(_ method: HTTPRequest.Method, _ path: String, _ body: ByteBuffer? = nil) async throws
    -> Answer
  {
    let versioned = path.contains("?") ? path : path + ResourceManagerPath.query(of: path)
    let encoded = path.contains("%") ? versioned : versioned.replacing(" ", with: "%20")
    let token = try await callers.token(of: caller)
    let headers: HTTPFields = token.map { [.authorization: "Bearer \($0)"] } ?? [:]
    return try await client.execute(uri: encoded, method: method, headers: headers, body: body) {
      Answer(status: $0.status, headers: $0.headers, body: $0.body)
    }
  }

  func get(_ path: String) async throws -> Answer { try await send(.get, path) }

  func put(_ path: String, _ json: String) async throws -> Answer {
    try await send(.put, path, ByteBuffer(string: json))
  }

  func patch(_ path: String, _ json: String) async throws -> Answer {
    try await send(.patch, path, ByteBuffer(string: json))
  }

  func post(_ path: String, _ json: String = "") async throws -> Answer {
    try await send(.post, path, ByteBuffer(string: json))
  }

  func claim(_ device: String, into group: DeviceGroupReference = Self.group) async throws -> Answer
  {
    try await post(group.claimDevicesPath, #"{"deviceIdentifiers":["\#(device)"]}"#)
  }

  /// Gives or revokes the consent of a group.
  func setConsent(_ consent: CrashDumpsCollection, _ group: DeviceGroupReference = Self.group)
    async throws
  {
    let json = #"{"properties":{"allowCrashDumpsCollection":"\#(consent.rawValue)"}}"#
    let answer = try await patch(group.path, json)
    #expect(answer.status == .ok, "\(answer.status)")
  }

  func setBoundary(_ boundary: RegionalDataBoundary) async throws {
    let json = #"{"properties":{"regionalDataBoundary":"\#(boundary.rawValue)"}}"#
    #expect(try await patch(Self.group.path, json).status == .ok)
  }

  func lease(
    _ device: String = Self.device, nonce: [UInt8] = Array(0..<16), uncaptured: UInt32 = 0,
    buildID: String = ""
  ) async throws -> Answer {
    let request = LeaseRequest(
      nonce: Data(nonce), buildId: buildID, imageVersion: "1", bootCount: 1,
      uncapturedCrashes: uncaptured)
    return try await send(
      .post, DevicePath.lease(device: device),
      ByteBuffer(bytes: try ServiceJSON.encoder().encode(request)))
  }

  func epoch(_ device: String = Self.device) async throws -> UInt32 {
    try await lease(device).decoded(LeaseAnswer.self).epoch
  }

  func dumps() async throws -> [DumpSummary] {
    try await get(DumpPath.list).decoded(DumpList.self).value
  }
}
