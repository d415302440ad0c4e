// What is left of dumps that have gone, and spools of older bridges.

import DumpFormat
import Foundation
import GRDB
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct SpoolHistoryTests {
  @Test func `of uploaded, evicted, expired and purged dumps no byte is left in the folder`()
    async throws
  {
    try await TemporaryDirectory.with { folder in
      let clocks = TwoClocks()
      let size = Sample(key(1, 1), size: 9_000).bytes.count
      let spool = try Spool(
        folder: folder.path, limits: SpoolLimits(bytes: 4 * size), clock: clocks.spoolClock)
      let dumps = (1...6).map {
        Sample(key($0, 1), device: $0 == 6 ? "22" : "11", size: 9_000, fingerprint: UInt8($0))
      }
      // In the database and not only in the log, each of them.
      func checkpoint() async throws {
        try await spool.connected().writeWithoutTransaction { db in _ = try db.checkpoint(.full) }
      }
      for dump in dumps.prefix(5) { #expect(try await spool.store(dump) == .stored) }
      try await checkpoint()
      #expect(try await spool.standing(of: dumps[0]) == .known(.evicted))
      #expect(folder.holds(dumps[1].bytes[200..<232]))

      let service = FakeService()
      let second = dumps[1].identity.key
      service.set {
        // The rest fails, and waits.
        $0.uploadFailure = { $0.key == second ? nil : .status(500) }
      }
      _ = await Uploader(spool: spool, service: service).pass()
      #expect(try await spool.standing(of: dumps[1]) == .known(.uploaded))

      clocks.pass(days: 28)
      #expect(try await spool.store(dumps[5]) == .stored)
      try await checkpoint()
      #expect(try await spool.purge(device: dumps[5].identity.device).keys.count == 1)
      clocks.pass(days: 1.1)
      try await spool.tidy()
      #expect(try await spool.standing(of: dumps[2]) == .known(.expired))
      for dump in dumps {
        for start in stride(from: 200, to: 9_000, by: 700) {
          #expect(!folder.holds(dump.bytes[start..<start + 24]))
        }
      }
    }
  }

  @Test func `a spool of 100,000 rows without bytes opens and works as one of 1,000`() async throws
  {
    func time(_ rows: Int) async throws -> Duration {
      try await TemporaryDirectory.with { folder in
        do {
          let spool = try Spool(folder: folder.path)
          try await spool.connected().write { db in
            try db.execute(
              sql: """
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                INSERT INTO dump (device, boot_count, sequence, state, fingerprint, occurrences,
                  size, prologue) SELECT 'dd', i, 1, 1, '00', 1, 1000, zeroblob(128) FROM n
                """,
              arguments: [rows])
          }
        }
        // The best of several, because others share the machine.
        var best = Duration.seconds(1_000)
        for round in 0..<5 as Range<UInt32> {
          let begin = ContinuousClock.now
          let spool = try Spool(folder: folder.path)
          #expect(try await spool.devicesWaiting() == [])
          #expect(try await spool.store(Sample(key(1, round))) == .stored)
          try await spool.settle(Sample(key(1, round)).identity, as: .uploaded)
          best = min(best, begin.duration(to: .now))
          spool.letGo()
        }
        return best
      }
    }
    let few = try await time(1_000)
    let many = try await time(100_000)
    print("spool opened, one dump in and out: \(few) with 1,000 rows, \(many) with 100,000")
    #expect(many < few * 8)
  }

  @Test func `rows without bytes stay bounded`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      try await spool.connected().write { db in
        try db.execute(
          sql: """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000)
            INSERT INTO dump (device, boot_count, sequence, state, fingerprint, occurrences,
              size, prologue) SELECT 'dd', i, 1, 1, '00', 1, 1000, zeroblob(128) FROM n
            """)
      }
      for round in 1...1_024 as ClosedRange<UInt32> {
        #expect(try await spool.store(Sample(key(1, round), size: 60)) == .stored)
      }
      let (gone, held) = try await spool.connected().read { db in
        (
          try Int.fetchOne(db, sql: "SELECT count(*) FROM dump WHERE NOT (\(Spool.isHeld))") ?? 0,
          try Int.fetchOne(db, sql: "SELECT count(*) FROM dump WHERE \(Spool.isHeld)") ?? 0
        )
      }
      #expect(gone <= Spool.tombstoneLimit + 1_024)
      #expect(held == 1_024)
    }
  }

  @Test func `what is asked again and again is answered by indexes`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let plans = try await spool.connected().read { db in
        try [
          "SELECT CAST(total(size) AS INTEGER) FROM dump WHERE \(Spool.isHeld)",
          "SELECT DISTINCT device FROM dump WHERE state = 0 ORDER BY device",
          "SELECT id FROM dump WHERE NOT (\(Spool.isHeld)) ORDER BY id DESC LIMIT 1 OFFSET 65536",
        ].map { sql in
          try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql).map { $0["detail"] as String }
            .joined(separator: "; ")
        }
      }
      for plan in plans { #expect(plan.contains("COVERING INDEX") && !plan.contains("TEMP")) }
    }
  }

  @Test func `a spool of an older bridge is opened with all it holds, and its time begins now`()
    async throws
  {
    try await TemporaryDirectory.with { folder in
      let clocks = TwoClocks()
      let dump = Sample(key(1, 1))
      let left = Sample(key(1, 2))
      try FileManager.default.copyItem(
        at: try Self.oldSpool(in: folder, holding: dump, without: left),
        to: folder.file("spool.sqlite"))
      let spool = try Spool(folder: folder.path, clock: clocks.spoolClock)
      #expect(try await spool.bytes(of: dump.identity) == dump.bytes)
      #expect(try await spool.standing(of: left) == .known(.uploaded))
      clocks.pass(days: 28.9)
      try await spool.tidy()
      #expect(try await spool.standing(of: dump) == .known(.stored))
      clocks.pass(days: 0.2)
      try await spool.tidy()
      #expect(try await spool.standing(of: dump) == .known(.expired))
    }
  }

  @Test func `what an older bridge kept unsealed is gone from the folder`() async throws {
    try await TemporaryDirectory.with { folder in
      var builder = DumpBuilder(key: key(1, 1))
      let marker = [UInt8](repeating: 0x5E, count: 500)
      builder.addMemory(at: 0x2000_0000, marker)
      let unsealed = Sample(key(1, 1), device: "11", bytes: builder.build())
      let sealed = Sample(key(1, 2))
      try FileManager.default.moveItem(
        at: try Self.oldSpool(in: folder, holding: unsealed, without: sealed),
        to: folder.file("spool.sqlite"))
      #expect(folder.holds(marker))
      let spool = try Spool(folder: folder.path)
      try await spool.sweep()
      #expect(!folder.holds(marker))
      #expect(try await spool.standing(of: unsealed) == .known(.purged))
      #expect(try await spool.holdings().devices == [])
    }
  }

  /// A database as the first two versions of the schema had it.
  private static func oldSpool(
    in folder: TemporaryDirectory, holding dump: Sample, without left: Sample
  ) throws -> URL {
    let file = folder.file("old.sqlite")
    let queue = try DatabaseQueue(path: file.path)
    try Spool.migrator.migrate(queue, upTo: "2: crash counts")
    try queue.write { db in
      for (dump, state) in [(dump, 0), (left, 1)] {
        try db.execute(
          sql: """
            INSERT INTO dump (device, boot_count, sequence, state, fingerprint, occurrences, size,
              prologue, bytes) VALUES (?, ?, ?, ?, '00', 1, ?, ?, ?)
            """,
          arguments: [
            dump.identity.device, dump.identity.key.bootCount, dump.identity.key.sequence, state,
            dump.bytes.count, Data(dump.bytes.prefix(128)), state == 0 ? Data(dump.bytes) : nil,
          ])
      }
    }
    try queue.close()
    return file
  }
}
