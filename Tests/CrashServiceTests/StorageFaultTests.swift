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
    try await Self.run(on: server) { bench in
      let dumps = try await Self.dumps(3, of: bench)
      #expect(try await bench.send(sealed: dumps[0]).status == .created)
      try await onThread { server.stop(how) }
      expectRefusal(try await bench.send(sealed: dumps[1]))
      expectRefusal(try await bench.get(ServiceBench.group.path))
      try await onThread { try server.start() }
      // It finds its place again by itself. Whether the refused one was stored nobody knew; it is there
      // once.
      try await Self.sendAgain(dumps[1], to: bench)
      #expect(try await bench.send(sealed: dumps[2]).status == .created)
      #expect(try await bench.dumps().map(\.bootCount).sorted() == [1, 2, 3])
    }
    try await onThread { server.stop(.fast) }
  }

  @Test func `a server without room refuses dumps, keeps what it took, and takes more with room`()
    async throws
  {
    try await ServiceBench.run(folder: TestFolder(engine: .postgres), log: LineLog()) { bench in
      let dumps = try await Self.dumps(3, of: bench)
      #expect(try await bench.send(sealed: dumps[0]).status == .created)
      let database = bench.service.dumps.usEast.database
      // As when the file of a table cannot grow.
      try await database.write { db in
        try db.script(
          """
          CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION USING ERRCODE = ''disk_full'', MESSAGE = ''no space left''; END';
          CREATE TRIGGER fail BEFORE INSERT ON contents FOR EACH ROW EXECUTE FUNCTION fail()
          """)
      }
      for _ in 0..<5 { expectRefusal(try await bench.send(sealed: dumps[1])) }
      #expect(try await bench.dumps().map(\.bootCount) == [1])
      #expect(try await bench.lease().status == .ok)
      try await database.write { try $0.script("DROP TRIGGER fail ON contents") }
      for dump in dumps[1...] {
        #expect(try await bench.send(sealed: dump).status == .created)
      }
      #expect(try await bench.dumps().count == 3)
    }
  }

  @Test(.enabled(if: SmallDisk.isPossible, "only root can mount a disk to fill"))
  func `a server whose disk is full loses nothing that was acknowledged`() async throws {
    let disk = try SmallDisk(bytes: 320 << 20)
    let server = try await PostgresServer.make(disk: disk)
    try await Self.run(on: server) { bench in
      let dumps = try await Self.dumps(200, of: bench, bytes: 200_000)
      #expect(try await bench.send(sealed: dumps[0]).status == .created)
      try disk.fill()
      // What there is of files is used up first; in the end the server may not even run any more.
      var stored = 1
      var answer = try await bench.send(sealed: dumps[stored])
      while answer.status == .created {
        stored += 1
        answer = try await bench.send(sealed: dumps[stored])
      }
      for _ in 0..<5 { expectRefusal(try await bench.send(sealed: dumps[stored])) }
      disk.empty()
      try await onThread { try server.revive() }
      for dump in dumps[stored...].prefix(2) { try await Self.sendAgain(dump, to: bench) }
      let found = try await bench.dumps()
      #expect(found.map(\.bootCount).sorted() == (1...UInt32(stored + 2)).map { $0 })
      for dump in found {
        #expect(try await bench.get(DumpPath.content(dump.id)).status == .ok)
      }
    }
    try await onThread { server.stop(.fast) }
  }

  /// A service on databases of that server, with a group whose owner consents.
  private static func run(
    on server: PostgresServer, _ body: @escaping @Sendable (ServiceBench) async throws -> Void
  ) async throws {
    try await ServiceBench.run(folder: TestFolder(server: server), log: LineLog(), body)
  }

  private static func dumps(_ count: UInt32, of bench: ServiceBench, bytes: Int = 1_000)
    async throws -> [[UInt8]]
  {
    try await bench.setConsent(.enabled)
    let sealer = try await bench.sealer()
    return try (1...count).map {
      try sealer.seal(
        sampleDump(
          key: DumpKey(bootCount: $0, sequence: 1),
          memory: [UInt8](repeating: 0x5A, count: bytes)))
    }
  }

  /// Sends a dump until it is taken.
  private static func sendAgain(_ dump: [UInt8], to bench: ServiceBench) async throws {
    var answer = try await bench.send(sealed: dump)
    for _ in 0..<2_000 where answer.status == .serviceUnavailable {
      try await Task.sleep(for: .milliseconds(10))
      answer = try await bench.send(sealed: dump)
    }
    #expect([.created, .ok].contains(answer.status))
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
    let ran: Void? = try await work[0].run {
      inside.add("first")
      let second: Void? = try await work[1].run { inside.add("second") }
      #expect(second == nil)
    }
    #expect(ran != nil)
    #expect(try await work[1].run { inside.add("third") } != nil)
    #expect(inside.entries == ["first", "third"])
    for database in databases { try await database.close() }
  }
}
