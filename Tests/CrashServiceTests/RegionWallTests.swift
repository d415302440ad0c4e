// Regions as walls: what belongs to one is in no file of another, whatever the service does with it.

import AsyncHTTPClient
import DumpFormat
import DumpOpening
import Foundation
import HTTPTypes
import MartletTestKit
import NIOCore
import SQLStorage
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

extension ProgramTests {
  @Suite(.timeLimit(.minutes(3))) struct RegionWallTests {
    /// A marker of 64 bytes that nothing else holds.
    private static let marker =
      Array(
        "MARKER-of-the-EU-8f1e6f0b0d5c4a7b-".utf8) + Array(repeating: UInt8(0x5A), count: 30)
    private static let fingerprint: UInt64 = 0xE0E1_E2E3_E4E5_E6E7

    private struct Made: Sendable {
      var token = ""
      var european: [UInt8] = []
      var american: [UInt8] = []
    }

    @Test func `no byte of a dump of the EU is in another region, a log or a temporary file`()
      async throws
    {
      let folder = TestFolder(engine: .sqlite)
      let made = try await Self.fill(folder)
      let temporary = TestFolder()
      try FileManager.default.createDirectory(at: temporary.url, withIntermediateDirectories: true)
      var logs = ""
      // Killed once with all in its logs, then ended in order.
      for round in 1...2 {
        let program = try await ServiceProgram(
          on: folder, token: made.token, ["--log-level", "trace"],
          environment: ["TMPDIR": temporary.url.path])
        try await Self.useEverything(made, program, isFirst: round == 1)
        if round == 1 { try await program.kill() }
        if round == 2 { try await Self.end(program) }
        logs += program.child.output + program.child.errors
        try Self.check(try folder.files(), temporary: try temporary.files(), logs, made)
      }
      try await Self.checkStored(folder)
    }

    @Test
    func `no byte of a dump of the EU is in a database of another region, or in its server's logs`()
      async throws
    {
      // Each region in a place of its own, and management data in a fourth.
      let servers = try await BenchServers()
      let folder = TestFolder(engine: .postgres, databases: BenchDatabases { servers[$0] })
      let temporary = TestFolder()
      try FileManager.default.createDirectory(at: temporary.url, withIntermediateDirectories: true)
      let made = try await Self.fill(folder)
      let begin = Date()
      var logs = ""
      for round in 1...2 {
        let program = try await ServiceProgram(
          on: folder, token: made.token, ["--log-level", "trace"],
          environment: ["TMPDIR": temporary.url.path])
        try await Self.useEverything(made, program, isFirst: round == 1)
        if round == 1 { try await program.kill() }
        if round == 2 { try await Self.end(program) }
        logs += program.child.output + program.child.errors
      }
      try await Self.checkStored(folder)
      let stored = try await Self.storedInTheEU(folder)
      try await onThread { servers.stop() }
      let ours = try servers["eu"].files(writtenSince: begin)
      let names = [
        Data(ServiceBench.device.utf8), Data(String(Self.fingerprint, radix: 16).utf8),
        Data(stored.id.utf8),
      ]
      // The search finds what is there.
      for trace in names + stored.pieces {
        #expect(ours.contains { $0.content.range(of: trace) != nil })
      }
      let sealed = Data(made.european.dropFirst(200).prefix(64))
      for name in ["us-east", "us-west"] {
        let files = try servers[name].files(writtenSince: begin)
        #expect(files.contains { $0.path.contains("/base/") })
        for file in files {
          for trace in names + stored.pieces + [sealed] {
            #expect(file.content.range(of: trace) == nil, "\(file.path): \(trace.prefix(16))")
          }
        }
      }
      // Which devices there are is management data; what is in a dump is not.
      var files = try servers["management"].files(writtenSince: begin)
      for file in files {
        for trace in stored.pieces + [sealed] { #expect(file.content.range(of: trace) == nil) }
      }
      files += try ["eu", "us-east", "us-west"].flatMap {
        try servers[$0].files(writtenSince: begin)
      }
      for file in files + (try folder.files()) {
        #expect(file.content.range(of: Data(Self.marker)) == nil, "\(file.path)")
      }
      #expect(!logs.contains("MARKER-of-the-EU"))
      #expect(try temporary.files().isEmpty)
    }

    /// A dump's name, and pieces of how it is stored.
    private static func storedInTheEU(_ folder: TestFolder) async throws -> (
      id: String, pieces: [Data]
    ) {
      guard case .postgres(let storage) = try await folder.storage() else {
        throw ProcessFailure(.missing, "there are no databases")
      }
      let database = PostgresDatabase(try storage.targets(of: .eu).dumps)
      let row = try #require(
        try await database.rows("SELECT dumpId, content FROM contents").first)
      try await database.close()
      let content: Data = try row["content"]
      // A file may cut it anywhere, but not this often.
      let pieces = [10, 60, 110].map { Data(content.dropFirst($0).prefix(32)) }
      #expect(pieces.allSatisfy { $0.count == 32 })
      return (try row["dumpId"], pieces)
    }

    private static func end(_ program: ServiceProgram) async throws {
      program.child.send(SIGTERM)
      #expect(try await program.waitForEnd() == .exit(0))
    }

    /// A device of the EU and one of West US.
    private static func fill(_ folder: TestFolder) async throws -> Made {
      let made = Mutex(Made())
      try await ServiceBench.run(folder: folder, clock: .present()) { bench in
        try await bench.setConsent(.enabled)
        try await bench.setBoundary(.eu)
        #expect(try await bench.provision(ServiceBench.oddDevice).status == .created)
        #expect(
          try await bench.claim(ServiceBench.oddDevice, into: ServiceBench.otherGroup).status
            == .accepted)
        try await bench.setConsent(.enabled, ServiceBench.otherGroup)
        let european = try await bench.sealer().seal(
          sampleDump(memory: marker, fingerprint: fingerprint))
        let american = try await bench.sealer(ServiceBench.oddDevice).seal(sampleDump())
        let token = try await bench.token()
        made.withLock { $0 = Made(token: token, european: european, american: american) }
      }
      return made.withLock { $0 }
    }

    /// Everything that callers do with dumps.
    private static func useEverything(_ made: Made, _ program: ServiceProgram, isFirst: Bool)
      async throws
    {
      func put(_ dump: [UInt8], of device: String) async throws {
        let path = DevicePath.dump(device: device, bootCount: 1, sequence: 1)
        let answer = try await program.send(.PUT, path, .bytes(ByteBuffer(bytes: dump)))
        #expect(answer.status == (isFirst ? .created : .ok))
        #expect(try await program.send(.PUT, path, .bytes(ByteBuffer(bytes: dump))).status == .ok)
        // Damaged, and so refused.
        let cut = try await program.send(
          .PUT, DevicePath.dump(device: device, bootCount: 2, sequence: 1),
          .bytes(ByteBuffer(bytes: dump.dropLast(5))))
        #expect(cut.status == .unprocessableContent)
      }
      try await put(made.european, of: ServiceBench.device)
      try await put(made.american, of: ServiceBench.oddDevice)
      let offer = OfferRequest(offers: [
        .init(
          bootCount: 3, sequence: 1, fingerprint: String(fingerprint, radix: 16), size: 100,
          occurrences: 1, consentEpoch: 1, buildId: "0102030405060708090a0b0c0d0e0f1011121314")
      ])
      _ = try await program.send(
        .POST, DevicePath.offers(device: ServiceBench.device),
        .bytes(ByteBuffer(bytes: ServiceJSON.encoder().encode(offer))))
      let list = try await program.send(.GET, DumpPath.list).decoded(DumpList.self).value
      #expect(list.count == 2)
      for dump in list {
        #expect(try await program.send(.GET, DumpPath.content(dump.id)).status == .ok)
        #expect(try await program.send(.GET, DumpPath.summary(dump.id)).status == .ok)
      }
      _ = try await program.send(.GET, "/metrics")
    }

    /// What of the dump of the EU must be nowhere else: its memory, how it came, how it is stored, its name.
    private static func check(
      _ files: [(path: String, content: Data)], temporary: [(path: String, content: Data)],
      _ logs: String, _ made: Made
    ) throws {
      let sealed = Data(made.european.dropFirst(200).prefix(64))
      let ours = files.filter {
        $0.path.hasPrefix("eu.sqlite") || $0.path.hasPrefix("keys/eu.sqlite")
      }
      let others = files.filter {
        $0.path.contains("us-east.sqlite") || $0.path.contains("us-west.sqlite")
      }
      #expect(ours.count >= 2 && others.count >= 4)
      var traces = [
        Data(marker), sealed, Data(ServiceBench.device.utf8),
        Data(String(fingerprint, radix: 16).utf8),
        Data("eu-".utf8),
      ]
      // The search finds what is there.
      for trace in traces.dropFirst(2) {
        #expect(ours.contains { $0.content.range(of: trace) != nil })
      }
      traces += try storedCiphertext(files)
      for file in others + temporary {
        for trace in traces {
          #expect(file.content.range(of: trace) == nil, "\(file.path): \(trace.prefix(16))")
        }
      }
      for file in files { #expect(file.content.range(of: Data(marker)) == nil, "\(file.path)") }
      #expect(!logs.contains("MARKER-of-the-EU"))
      #expect(temporary.isEmpty)
    }

    /// Pieces of what the store of the EU keeps, out of its files.
    private static func storedCiphertext(_ files: [(path: String, content: Data)]) throws -> [Data]
    {
      guard
        let largest = files.filter({ $0.path.hasPrefix("eu.sqlite") }).max(by: {
          $0.content.count < $1.content.count
        })
      else { return [] }
      // Pieces that look like noise: ciphertext, not tables.
      return stride(from: 0, to: largest.content.count - 32, by: 512).compactMap { offset in
        let piece = largest.content.dropFirst(offset).prefix(32)
        return Set(piece).count > 26 ? Data(piece) : nil
      }
    }

    private static func checkStored(_ folder: TestFolder) async throws {
      try await ServiceBench.run(folder: folder, setUp: false, clock: .present()) { bench in
        let counts = try await [
          bench.service.dumps.eu, bench.service.dumps.usEast, bench.service.dumps.usWest,
        ].asyncMap { try await $0.count(DumpFilter()) }
        #expect(counts == [1, 0, 1])
        let dump = try #require(
          try await bench.dumps().first { $0.deviceId == ServiceBench.device })
        let content = try await bench.get(DumpPath.content(dump.id))
        #expect(Data(content.body.readableBytesView).range(of: Data(marker)) != nil)
      }
    }

    @Test func `a changed boundary counts from the next dump on, and says where the old ones stay`()
      async throws
    {
      try await ServiceBench.run { bench in
        try await bench.setConsent(.enabled)
        try await bench.setBoundary(.eu)
        #expect(try await bench.upload(sampleDump()).status == .created)
        let json = #"{"properties":{"regionalDataBoundary":"None"}}"#
        let answer = try await bench.patch(ServiceBench.group.path, json)
        #expect(answer.status == .ok)
        let name = try #require(HTTPField.Name.martletNotice)
        let notice = try #require(answer.headers[name])
        #expect(notice.contains("1 in EU") && notice.contains("29 days"), "\(notice)")
        let next = sampleDump(key: DumpKey(bootCount: 2, sequence: 1))
        #expect(try await bench.upload(next).status == .created)
        let regions = try await bench.dumps().map { String($0.id.prefix(3)) }
        #expect(regions.sorted() == ["eu-", "us-"])
        // Nothing stays elsewhere, nothing is said.
        bench.clock.advance(seconds: 29 * 86_400)
        _ = try await bench.service.deleteOverdue()
        let quiet = try await bench.patch(ServiceBench.group.path, json)
        #expect(quiet.headers[name] == nil)
      }
    }
  }
}

/// A server for each region, and one for management data.
private struct BenchServers: Sendable {
  private let servers: [String: PostgresServer]

  init() async throws {
    var servers: [String: PostgresServer] = [:]
    for name in ["management"] + Region.allCases.map(\.storeName) {
      servers[name] = try await PostgresServer.make()
    }
    self.servers = servers
  }

  /// - Parameter database: one of ``BenchDatabases/names``.
  subscript(database: String) -> PostgresServer {
    let region = Region.allCases.first { database.hasPrefix($0.storeName) }
    guard let server = servers[region?.storeName ?? "management"] else {
      preconditionFailure("there is a server for each")
    }
    return server
  }

  func stop() { for server in servers.values { server.stop(.fast) } }
}

extension Array {
  fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async throws -> [Value]
  {
    var values: [Value] = []
    for element in self { values.append(try await body(element)) }
    return values
  }
}
