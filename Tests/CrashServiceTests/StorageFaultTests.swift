// A database that is away or has no room: refused cleanly, nothing lost, and over by itself.

import DumpFormat
import Foundation
import HTTPTypes
import Logging
import MartletTestKit
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct StorageFaultTests {
  private func expectRefusal(_ answer: Answer) {
    #expect(answer.status == .serviceUnavailable)
    #expect(answer.headers[.retryAfter] != nil)
    #expect(answer.code != nil)
  }

  @Test(.onSQLite) func `a full disk refuses dumps, keeps what it took, and takes more with room`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let sealer = try await bench.sealer()
      func dump(_ number: UInt32) throws -> [UInt8] {
        try sealer.seal(
          sampleDump(
            key: DumpKey(bootCount: number, sequence: 1),
            memory: [UInt8](repeating: 0x5A, count: 100_000)))
      }
      #expect(try await bench.send(sealed: dump(1)).status == .created)
      let database = bench.service.dumps.usEast.database
      let pages: Int = try await database.write { db in
        let pages: Int = try db.row("PRAGMA page_count")?["page_count"] ?? 0
        _ = try db.rows("PRAGMA max_page_count = \(SQLText(raw: "\(pages)"))")
        return pages
      }
      #expect(pages > 0)
      expectRefusal(try await bench.send(sealed: dump(2)))
      #expect(try await bench.dumps().map(\.bootCount) == [1])
      #expect(try await bench.lease().status == .ok)
      try await database.write { _ = try $0.rows("PRAGMA max_page_count = 1000000") }
      #expect(try await bench.send(sealed: dump(2)).status == .created)
      #expect(try await bench.dumps().count == 2)
    }
  }

  @Test(arguments: [PostgresServer.Stop.fast, .kill])
  func `a server that is away is told as that, and what was acknowledged is there afterwards`(
    how: PostgresServer.Stop
  ) async throws {
    let server = try await PostgresServer.make()
    var storage = BenchDatabases.storage(try await BenchDatabases.makeDatabases(on: server))
    storage.grace = .milliseconds(300)
    let clock = TestClock()
    let folder = TestFolder()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let service = try await CrashService(
      dataFolder: folder.url, storage: .postgres(storage), masterKey: ServiceBench.masterKey,
      loginAge: .zero, clock: clock.watched, logger: logger)
    try await service.application(host: "localhost", port: 0).test(.router) { client in
      let bench = ServiceBench(
        service: service, client: client, clock: clock,
        callers: BenchCallers(store: service.access, clock: clock))
      try await bench.setUp()
      try await bench.setConsent(.enabled)
      let sealer = try await bench.sealer()
      let dumps = try (UInt32(1)...3).map {
        try sealer.seal(sampleDump(key: DumpKey(bootCount: $0, sequence: 1)))
      }
      #expect(try await bench.send(sealed: dumps[0]).status == .created)
      try await onThread { server.stop(how) }
      expectRefusal(try await bench.send(sealed: dumps[1]))
      expectRefusal(try await bench.get(ServiceBench.group.path))
      try await onThread { try server.start() }
      // It finds its place again by itself.
      var answer = try await bench.send(sealed: dumps[1])
      for _ in 0..<2_000 where answer.status == .serviceUnavailable {
        try await Task.sleep(for: .milliseconds(10))
        answer = try await bench.send(sealed: dumps[1])
      }
      // Whether the refused one was stored nobody knew; it is there once.
      #expect([.created, .ok].contains(answer.status))
      #expect(try await bench.send(sealed: dumps[2]).status == .created)
      #expect(try await bench.dumps().map(\.bootCount).sorted() == [1, 2, 3])
    }
    try await service.close()
    try await onThread { server.stop(.fast) }
  }

  @Test func `all databases are named, each its own, or none`() throws {
    #expect(throws: Never.self) { try ServiceStorage(environment: [:]) }
    let names = ["MANAGEMENT"] + ["EU", "US_EAST", "US_WEST"].flatMap { [$0, "\($0)_KEYS"] }
    let all = Dictionary(
      uniqueKeysWithValues: names.map { ("MARTLET_DATABASE_\($0)", "dbname=\($0)") })
    guard case .postgres(let storage) = try ServiceStorage(environment: all) else {
      Issue.record("the variables were not read")
      return
    }
    #expect(storage.regions[.usWest]?.keys == "dbname=US_WEST_KEYS")
    for name in names {
      var some = all
      some["MARTLET_DATABASE_\(name)"] = nil
      let failure = #expect(throws: ServiceStartFailure.self) {
        try ServiceStorage(environment: some)
      }
      #expect(failure?.code == .databasesNotUsable)
      #expect(failure?.message.contains("MARTLET_DATABASE_\(name)") == true)
    }
    var shared = all
    shared["MARTLET_DATABASE_EU_KEYS"] = "dbname=EU"
    #expect(throws: ServiceStartFailure.self) { try ServiceStorage(environment: shared) }
  }

  @Test func `periodic work is done by one process at a time`() async throws {
    let storage = try await BenchDatabases().storage()
    let databases = [PostgresDatabase(storage.management), PostgresDatabase(storage.management)]
    let work = databases.map { PeriodicWork(name: "sweep", database: $0) }
    let inside = OrderLog()
    let ran = try await work[0].run {
      inside.add("first")
      let second = try await work[1].run { inside.add("second") }
      #expect(!second)
    }
    #expect(ran)
    #expect(try await work[1].run { inside.add("third") })
    #expect(inside.entries == ["first", "third"])
    for database in databases { try await database.close() }
  }
}
