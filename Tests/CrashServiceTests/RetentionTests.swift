// The end of dumps: after 29 days or less, for good, and written down.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

private let day: TimeInterval = 86_400

@Suite struct RetentionTests {
  private func upload(_ bench: ServiceBench, boot: UInt32, device: String = ServiceBench.device)
    async throws -> String
  {
    let dump = sampleDump(key: DumpKey(bootCount: boot, sequence: 1))
    let answer = try await bench.send(
      sealed: bench.sealer(device).seal(dump), device: device)
    #expect(answer.status == .created)
    return try answer.decoded(DumpReceipt.self).id
  }

  private func report(_ bench: ServiceBench) async throws -> RetentionReport {
    try await bench.get(RetentionPath.report).decoded()
  }

  private func setRetention(_ bench: ServiceBench, _ days: Int) async throws -> Answer {
    try await bench.patch(
      ServiceBench.group.path, #"{"properties":{"crashDumpRetentionDays":\#(days)}}"#)
  }

  @Test func `a dump is there until its 29 days are over, and then nothing of it is`() async throws
  {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      let id = try await upload(bench, boot: 1)
      bench.clock.advance(seconds: 29 * day - 1)
      try await bench.service.deleteOverdue()
      #expect(try await bench.get(DumpPath.content(id)).status == .ok)
      #expect(try await report(bench).isKept)
      bench.clock.advance(seconds: 1)
      // Nobody sees it any more, deleted or not.
      #expect(try await bench.get(DumpPath.summary(id)).status == .notFound)
      #expect(try await bench.get(DumpPath.content(id)).status == .notFound)
      #expect(try await bench.dumps() == [])
      let before = try await report(bench)
      #expect(!before.isKept)
      #expect(before.regions.map(\.overdueDumps) == [0, 1, 0])
      #expect(before.regions.map(\.overdueKeys) == [0, 1, 0])
      let after: RetentionReport = try await bench.post(RetentionPath.report).decoded()
      #expect(after.isKept)
      #expect(after.regions.map(\.dumps) == [0, 0, 0])
      #expect(after.regions.allSatisfy { $0.oldest == nil })
      for table in ["dumps", "contents", "dumpKeys", "dumpKinds"] {
        let left: Int? = try await bench.service.dumps.usEast.database.read { db in
          try db.value(SQLText(raw: "SELECT count(*) AS value FROM \(table)"))
        }
        #expect(left == 0, "in \(table)")
      }
    }
  }

  @Test func `each deletion is in the audit log`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let first = try await upload(bench, boot: 1)
      bench.clock.advance(seconds: day)
      let second = try await upload(bench, boot: 2)
      bench.clock.advance(seconds: 28 * day)
      try await bench.service.deleteOverdue()
      func log(_ region: Region) async throws -> [AuditEvent] {
        try await bench.get("\(RetentionPath.audit)?region=\(region.rawValue)")
          .decoded(AuditList.self).value
      }
      #expect(try await log(.usEast).map(\.subject) == [first])
      bench.clock.advance(seconds: day)
      try await bench.service.deleteOverdue()
      let events = try await log(.usEast)
      #expect(events.map(\.subject) == [first, second])
      #expect(events.map(\.event) == ["dump.deleted", "dump.deleted"])
      #expect(events.last?.at == bench.clock.now)
      #expect(try await log(.eu) == [])
      let rest: AuditList = try await bench.get(
        "\(RetentionPath.audit)?region=USEast&after=\(events[0].number)"
      ).decoded()
      #expect(rest.value == [events[1]])
    }
  }

  @Test func `more dumps than go at once go all the same`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 0, dumpsPerDevice: 0)) {
      bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      let store = bench.service.dumps.usEast
      // Copies of the one, as many as three turns take.
      try await store.database.write { db in
        let row = try #require(try db.row("SELECT * FROM dumps").map(DumpRow.init))
        let copies = (UInt32(2)...4500).map { number in
          var copy = row
          copy.id = DumpID.make(in: .usEast, at: row.receivedAt)
          copy.bootCount = number
          copy.content = Data([1])
          copy.digest = Data([2])
          return copy
        }
        _ = try db.rows(storing: copies.keys)
        try db.store(copies.rows)
      }
      #expect(try await store.count(DumpFilter()) == 4500)
      bench.clock.advance(seconds: 29 * day)
      let left = try await bench.service.deleteOverdue()
      #expect(left.isKept)
      #expect(try await store.count(DumpFilter()) == 0)
      var number: Int64 = 0
      var deleted = 0
      while case let events = try await store.audit(after: number, limit: 1000), !events.isEmpty {
        deleted += events.count
        number = events.last?.number ?? number
      }
      #expect(deleted == 4500)
    }
  }

  @Test(.onSQLite) func `a copy of the stores made before opens nothing after the deletion`()
    async throws
  {
    let folder = TestFolder()
    let copy = TestFolder()
    let id = Box("")
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      id.value = try await upload(bench, boot: 1)
      try FileManager.default.createDirectory(at: copy.url, withIntermediateDirectories: true)
      for name in ["martlet.sqlite", "us-east.sqlite"] {
        for ending in ["", "-wal"] {
          try FileManager.default.copyItem(
            at: folder.url.appending(path: name + ending),
            to: copy.url.appending(path: name + ending))
        }
      }
      bench.clock.advance(seconds: 29 * day)
      try await bench.service.deleteOverdue()
    }
    try FileManager.default.copyItem(
      at: folder.url.appending(path: "keys"), to: copy.url.appending(path: "keys"))
    // The clock stands as it did when the dump came: it is not what keeps the dump closed.
    try await ServiceBench.run(folder: copy, setUp: false) { bench in
      let rows: Int? = try await bench.service.dumps.usEast.database.read { db in
        try db.value("SELECT count(*) AS value FROM contents")
      }
      #expect(rows == 1, "the copy has the dump's row")
      #expect(try await bench.get(DumpPath.content(id.value)).status == .notFound)
      #expect(try await bench.dumps() == [])
    }
  }

  @Test(.onSQLite) func `nothing of a destroyed key stays in a file`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      let wrapped: Data? = try await bench.service.dumps.usEast.keys.database.read { db in
        try db.value("SELECT wrapped AS value FROM retentionKeys")
      }
      let key = try #require(wrapped)
      let files = try folder.files()
      #expect(files.contains { $0.content.range(of: key) != nil })
      bench.clock.advance(seconds: 29 * day)
      try await bench.service.deleteOverdue()
      for (file, content) in try folder.files() {
        #expect(content.range(of: key) == nil, "in \(file)")
      }
    }
  }

  @Test func `a group's dumps may go before, and never later`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await bench.setConsent(.enabled, ServiceBench.otherGroup)
      for days in [0, -1, 30, 1000] {
        let answer = try await setRetention(bench, days)
        #expect(answer.status == .badRequest)
        #expect(answer.message.contains("from 1 to 29"))
      }
      #expect(try await setRetention(bench, 2).status == .ok)
      try await bench.addOddDevice()
      _ = try await bench.claim(ServiceBench.oddDevice, into: ServiceBench.otherGroup)
      _ = try await upload(bench, boot: 1)
      let kept = try await upload(bench, boot: 1, device: ServiceBench.oddDevice)
      bench.clock.advance(seconds: 2 * day)
      #expect(try await report(bench).regions.map(\.overdueDumps) == [0, 1, 0])
      try await bench.service.deleteOverdue()
      #expect(try await bench.dumps().map(\.id) == [kept])
      #expect(try await report(bench).isKept)
      #expect(try await report(bench).shorterGroups == 1)
    }
  }

  @Test func `a put that does not name the period leaves it, and so does the group's deletion`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await setRetention(bench, 5).status == .ok)
      let json = #"{"properties":{"allowCrashDumpsCollection":"Enabled"}}"#
      let group: DeviceGroupResource = try await bench.put(ServiceBench.group.path, json).decoded()
      #expect(group.properties.crashDumpRetentionDays == 5)
      _ = try await upload(bench, boot: 1)
      _ = try await bench.claim(ServiceBench.device, into: ServiceBench.otherGroup)
      #expect(try await bench.send(.delete, ServiceBench.group.path).status == .ok)
      bench.clock.advance(seconds: 5 * day)
      try await bench.service.deleteOverdue()
      #expect(try await bench.dumps() == [])
      #expect(try await report(bench).isKept)
    }
  }

  @Test func `a deleted dump makes room for another of its kind`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      let offer = bench.offer(bootCount: 2, epoch: try await bench.epoch())
      #expect(try await bench.verdicts([offer]) == [.skip])
      bench.clock.advance(seconds: 29 * day)
      try await bench.service.deleteOverdue()
      #expect(try await bench.verdicts([offer]) == [.send])
    }
  }

  @Test func `whoever may not see all catalogs gets no report and no log`() async throws {
    try await ServiceBench.run { bench in
      let auditor = bench.calling(as: .auditor, in: [ServiceBench.catalog])
      let callers = [auditor, bench.calling(as: .auditor), bench.calling(as: .administrator)]
      for path in [RetentionPath.report, RetentionPath.audit] {
        var statuses: [Int] = []
        for caller in callers { statuses.append(try await caller.get(path).status.code) }
        #expect(statuses == [403, 200, 403])
      }
    }
  }

  @Test func `the service looks at its start and at every tick, and goes on after a failure`()
    async throws
  {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      let store = bench.service.dumps.usEast
      let seen = Box<[Int]>([])
      let sweep = RetentionSweep(bench.service) {
        seen.value.append(try await store.count(DumpFilter()))
        switch seen.value.count {
        case 1: bench.clock.advance(seconds: 29 * day)
        // Without its table the look fails; with it the next one does not.
        case 2: try await rename(store, "audit", "gone")
        case 3:
          _ = try await upload(bench, boot: 2)
          bench.clock.advance(seconds: 29 * day)
        case 4: try await rename(store, "gone", "audit")
        default: return false
        }
        return true
      }
      try await sweep.run()
      #expect(seen.value == [1, 0, 0, 1, 0])
    }
  }

  @Test func `what fails in one region keeps no dump of another`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      bench.clock.advance(seconds: 29 * day)
      for store in [bench.service.dumps.eu, bench.service.dumps.usWest] {
        try await rename(store, "dumps", "gone")
      }
      await #expect(throws: SQLFailure.self) { _ = try await bench.service.deleteOverdue() }
      let left = try await bench.service.dumps.usEast.over(now: bench.clock.now)
      #expect(left.keys == 0 && left.dumps == 0)
      for store in [bench.service.dumps.eu, bench.service.dumps.usWest] {
        try await rename(store, "gone", "dumps")
      }
      // Nor is a group's shorter period needed for the longest one of all.
      _ = try await upload(bench, boot: 2)
      bench.clock.advance(seconds: 29 * day)
      try await bench.service.management.database.write { db in
        try db.script("ALTER TABLE shorterPeriods RENAME TO gone")
      }
      await #expect(throws: SQLFailure.self) { _ = try await bench.service.deleteOverdue() }
      let later = try await bench.service.dumps.usEast.over(now: bench.clock.now)
      #expect(later.keys == 0 && later.dumps == 0)
    }
  }

  @Test func `of several services one deletes at a time, and each sees that it is done`()
    async throws
  {
    try await ServiceBench.run(folder: TestFolder(engine: .postgres)) { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      bench.clock.advance(seconds: 29 * day)
      let store = bench.service.dumps.usEast
      let turn = PeriodicWork(
        name: RetentionSweep.turnName, database: bench.service.management.database)
      let lookedAt = "\nmartlet_service_last_deletion_timestamp_seconds "
      // Another has its turn.
      let ran: Void? = try await turn.run {
        try await RetentionSweep(bench.service) { false }.run()
        #expect(try await store.count(DumpFilter()) == 1)
        let page = String(buffer: try await bench.get("/metrics").body)
        #expect(!page.contains(lookedAt))
      }
      #expect(ran != nil)
      try await RetentionSweep(bench.service) { false }.run()
      #expect(try await store.count(DumpFilter()) == 0)
      let page = String(buffer: try await bench.get("/metrics").body)
      #expect(page.contains(lookedAt))
    }
  }

  @Test func `a backup that takes long keeps no dump from coming or going`() async throws {
    let folder = TestFolder(engine: .postgres)
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await upload(bench, boot: 1)
      let store = bench.service.dumps.usEast
      // As pg_dump holds every table until it is done.
      let block = try await TableBlock("dumps, contents, audit", of: folder, mode: "ACCESS SHARE")
      bench.clock.advance(seconds: 1 * day)
      _ = try await upload(bench, boot: 2)
      #expect(try await partitions(store) == 2)
      bench.clock.advance(seconds: 29 * day)
      #expect(try await bench.service.deleteOverdue().isKept)
      #expect(try await store.count(DumpFilter()) == 0)
      try await block.end()
      bench.clock.advance(seconds: 1 * day)
      _ = try await bench.service.deleteOverdue()
      #expect(try await partitions(store) == 0)
      #expect(try await bench.calling(as: .auditor).get(RetentionPath.audit).status == .ok)
    }
  }

  private func partitions(_ store: DumpStore) async throws -> Int {
    try await store.database.read { db in
      try db.value(
        """
        SELECT count(*) AS value FROM pg_catalog.pg_inherits
        WHERE inhparent = CAST('dumps' AS REGCLASS)
        """) ?? 0
    }
  }

  private func rename(_ store: DumpStore, _ from: String, _ to: String) async throws {
    try await store.database.write { db in
      try db.script(SQLText(raw: "ALTER TABLE \(from) RENAME TO \(to)"))
    }
  }
}
