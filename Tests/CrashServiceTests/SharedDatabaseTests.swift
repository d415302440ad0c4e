// Several services on the same PostgreSQL: what one of them changes holds for all.

import DumpFormat
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import MartletTestKit
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct SharedDatabaseTests {
  /// Runs `body` with a bench that set everything up, and a second one on the same databases.
  private func withTwo(
    grace: Duration = .seconds(20),
    _ body: @escaping @Sendable (ServiceBench, ServiceBench, PostgresServer) async throws -> Void
  ) async throws {
    let server = try await PostgresServer.shared()
    var storage = try await BenchDatabases().storage()
    storage.grace = grace
    let clock = TestClock()
    let folders = [TestFolder(), TestFolder()]
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let services = [
      try await service(folders[0], storage, clock, logger),
      try await service(folders[1], storage, clock, logger),
    ]
    try await services[0].application(host: "localhost", port: 0).test(.router) { first in
      try await services[1].application(host: "localhost", port: 0).test(.router) { second in
        let benches = zip(services, [first, second]).map { service, client in
          ServiceBench(
            service: service, client: client, clock: clock,
            callers: BenchCallers(store: service.access, clock: clock))
        }
        try await benches[0].setUp()
        try await body(benches[0], benches[1], server)
      }
    }
    for service in services { try await service.close() }
  }

  private func service(
    _ folder: TestFolder, _ storage: PostgresStorage, _ clock: TestClock, _ logger: Logger
  ) async throws -> CrashService {
    try await CrashService(
      dataFolder: folder.url, storage: .postgres(storage), masterKey: ServiceBench.masterKey,
      loginAge: .zero, clock: clock.watched, logger: logger)
  }

  @Test(arguments: Revocation.allCases)
  func `a revocation that one of them answered holds for all`(revocation: Revocation) async throws {
    try await withTwo { first, second, _ in
      try await first.setConsent(.enabled)
      try await first.setConsent(.enabled, ServiceBench.otherGroup)
      // The second one remembers how things stand.
      let sealer = try await second.sealer()
      #expect(try await second.send(sealed: sealer.seal(sampleDump())).status == .created)
      // It may forget once more, when it hears late of a change that it has seen already.
      while second.service.management.gate.remembered(BenchDevice.even.id)?.isAllowed != true {
        #expect(try await second.lease().status == .ok)
      }
      try await revocation.run(first)
      let late = try sealer.seal(sampleDump(key: DumpKey(bootCount: 2, sequence: 1)))
      #expect(try await second.send(sealed: late).status == .forbidden)
      let offer = second.offer(bootCount: 3, epoch: sealer.consentEpoch)
      #expect(try await second.verdicts([offer]) == [.refused])
      #expect(try await second.parsedLease().isAllowed == revocation.leavesConsent)
    }
  }

  @Test func `a day that another process dropped takes dumps again when clocks go back`()
    async throws
  {
    try await withTwo { first, second, _ in
      try await first.setConsent(.enabled)
      let sealer = try await first.sealer()
      #expect(try await first.send(sealed: sealer.seal(sampleDump())).status == .created)
      let period = TimeInterval(29 * 86_400)
      first.clock.advance(seconds: period)
      #expect(try await second.service.deleteOverdue().isKept)
      #expect(try await first.service.dumps.usEast.count(DumpFilter()) == 0)
      first.clock.advance(seconds: -period)
      let next = try sealer.seal(sampleDump(key: DumpKey(bootCount: 2, sequence: 1)))
      #expect(try await first.send(sealed: next).status == .created)
    }
  }

  @Test func `a revocation waits for what another process does under the consent`() async throws {
    try await withTwo { first, second, _ in
      try await first.setConsent(.enabled)
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let (ended, end) = AsyncStream.makeStream(of: Void.self)
      let order = OrderLog()
      async let held: Void = second.service.management.holdingStanding(of: BenchDevice.even.id) {
        standing in
        #expect(standing.isAllowed)
        begin.finish()
        for await _ in ended {}
        order.add("stored")
      }
      for await _ in begun {}
      async let revoked: Void = {
        try await first.setConsent(.disabled)
        order.add("revoked")
      }()
      // The other process heard of it, and its own work waits for what is under way.
      while second.service.management.gate.waitingCount == 0, order.entries.isEmpty {
        await Task.yield()
      }
      end.finish()
      try await held
      try await revoked
      #expect(order.entries == ["stored", "revoked"])
      #expect(try await second.parsedLease().isAllowed == false)
    }
  }

  @Test func `changes from both at once all count`() async throws {
    try await withTwo { first, second, _ in
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for number in 0..<6 {
          tasks.addTask {
            let bench = number.isMultiple(of: 2) ? first : second
            try await bench.setConsent(number.isMultiple(of: 3) ? .enabled : .disabled)
          }
        }
        try await tasks.waitForAll()
      }
      try await first.setConsent(.enabled)
      #expect(try await second.parsedLease().isAllowed)
      #expect(try await first.epoch() == second.epoch())
    }
  }

  @Test func `a process whose guarding connection is cut serves on after it has another`()
    async throws
  {
    try await withTwo(grace: .milliseconds(300)) { first, second, _ in
      try await first.setConsent(.enabled)
      #expect(try await second.parsedLease().isAllowed)
      let database = try #require(first.service.management.database as? PostgresDatabase)
      // Changes in other schemas of this database have everybody go out and in again, so that for a
      // moment nobody may be inside.
      var cut: [SQLRow] = []
      for _ in 0..<2_000 where cut.isEmpty {
        cut = try await database.rows(
          """
          SELECT pg_terminate_backend(pid) AS value FROM pg_locks
          WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted
          AND CAST(classid AS BIGINT) << 32 | CAST(objid AS BIGINT)
            = hashtextextended('martlet/' || current_schema() || '/fence/consent', 0)
          """)
      }
      #expect(!cut.isEmpty)
      // Until they have their places again they refuse; none goes by what it remembers.
      try await eventually(first) { try await first.patchConsent(.disabled) }
      try await eventually(second) {
        try await second.lease().status
      }
      #expect(try await second.parsedLease().isAllowed == false)
    }
  }

  @Test func `a process that is gone holds a change up for a while, and not for good`()
    async throws
  {
    try await withTwo(grace: .milliseconds(300)) { first, second, _ in
      try await first.setConsent(.enabled)
      // As if a third one had been killed inside: it is written down, and has no session.
      try await first.service.management.database.write { db in
        try db.run("INSERT INTO fenceHolders (id, fence) VALUES ('killed', 'consent')")
      }
      try await eventually(first) { try await first.patchConsent(.disabled) }
      #expect(try await second.parsedLease().isAllowed == false)
      let left = try await first.service.management.database.rows(
        "SELECT id FROM fenceHolders WHERE id = 'killed'")
      #expect(left.isEmpty)
    }
  }

  /// Asks again as long as the answer is 503, which says when to come back.
  private func eventually(
    _ bench: ServiceBench, _ ask: () async throws -> HTTPStatus
  ) async throws {
    for _ in 0..<2_000 {
      let status = try await ask()
      guard status == .serviceUnavailable else {
        #expect(status == .ok)
        return
      }
      try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("it refuses for good")
  }
}

typealias HTTPStatus = HTTPResponse.Status

extension ServiceBench {
  fileprivate func patchConsent(_ consent: CrashDumpsCollection) async throws -> HTTPStatus {
    let json = #"{"properties":{"allowCrashDumpsCollection":"\#(consent.rawValue)"}}"#
    return try await patch(Self.group.path, json).status
  }
}
