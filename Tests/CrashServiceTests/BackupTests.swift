// Backups: what they open, and what they never open again.

import Foundation
import Logging
import MartletTestKit
import SQLStorage
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct BackupTests {
  // MARK: - What comes back

  @Test func `after the loss of the disk everything opens with the last key file`() async throws {
    let place = try await BackupPlace.filled()
    try FileManager.default.removeItem(at: place.data.url)
    place.clock.advance(seconds: 10 * BackupPlace.day)
    let restored = try await place.restore(keys: place.keys)
    #expect(restored.dumps == 1 && restored.sealedForGood == 0)
    #expect(abs(restored.made.timeIntervalSince(place.clock.now) + 10 * BackupPlace.day) < 1)
    try await place.runRestored { bench in
      let dump = try #require(try await bench.dumps().first)
      let content = try await bench.get(DumpPath.content(dump.id))
      #expect(
        Data(content.body.readableBytesView).contains(sequence: Data("memory of a board".utf8)))
      // Devices, groups and consents are there, and it goes on where it was.
      #expect(try await bench.parsedLease().isAllowed)
      #expect(
        try await bench.upload(sampleDump(key: .init(bootCount: 2, sequence: 1))).status == .created
      )
    }
  }

  @Test func `nothing that was deleted since opens again with the present keys`() async throws {
    let place = try await BackupPlace.filled()
    place.clock.advance(seconds: 20 * BackupPlace.day)
    try await place.run { bench in
      #expect(
        try await bench.upload(sampleDump(key: .init(bootCount: 2, sequence: 1))).status == .created
      )
      bench.clock.advance(seconds: 9 * BackupPlace.day)
      _ = try await bench.service.deleteOverdue()
      try await place.makeBackup("later")
    }
    let restored = try await place.restore(keys: place.keys)
    #expect(restored.dumps == 0)
    try await place.runRestored { bench in
      let dumps = try await bench.dumps()
      #expect(dumps.isEmpty)
      let report = try await bench.service.retentionReport()
      #expect(report.isKept)
    }
    // The newer backup has what is younger, and that opens.
    #expect(
      try await place.restore("later", to: "other", keys: place.keys)
        == .init(made: place.clock.now, dumps: 1, sealedForGood: 0))
  }

  @Test(.onSQLite) func `a copy of the files and the master key open nothing that was deleted`()
    async throws
  {
    let place = try BackupPlace()
    let copy = place.folder.url.appending(path: "copy")
    try await place.run(
      { bench in
        try await bench.setConsent(.enabled)
        #expect(try await bench.upload(BackupPlace.content).status == .created)
        // Somebody copies the stores, but not the folder with the keys.
        try FileManager.default.copyItem(at: place.data.url, to: copy)
        try FileManager.default.removeItem(at: copy.appending(path: "keys"))
        bench.clock.advance(seconds: 29 * BackupPlace.day)
        _ = try await bench.service.deleteOverdue()
      }, setUp: true)
    // The keys of today are put beside the copy, and the clock is set back.
    try FileManager.default.copyItem(
      at: place.data.url.appending(path: "keys"), to: copy.appending(path: "keys"))
    let earlier = TestClock()
    try await ServiceBench.run(folder: TestFolder(at: copy), setUp: false, clock: earlier) {
      bench in
      let id = try #require(
        try await bench.service.dumps.usEast.database.read {
          try $0.value("SELECT id AS value FROM dumps", as: String.self)
        })
      #expect(try await bench.get(DumpPath.content(id)).status != .ok)
    }
  }

  @Test func `without the key file a restored service has dumps that nobody opens`() async throws {
    let place = try await BackupPlace.filled()
    #expect(
      try await place.restore(keys: nil)
        == .init(made: place.clock.now, dumps: 1, sealedForGood: 1))
  }

  // MARK: - What is in it

  @Test func `a backup holds no key of a dump, and the key file no dump`() async throws {
    let place = try await BackupPlace.filled()
    let keys = try KeyFile.read(place.keys)
    #expect(keys.map(\.region) == ["us-east"])
    let files = try TestFolder(at: place.backup, isKept: true).files()
    #expect(
      Set(files.map(\.path))
        == Set(BackupManifest.databases(of: place.data.engine.sql) + [BackupManifest.name]))
    for file in files {
      for key in keys {
        #expect(!file.content.contains(sequence: key.wrapped), "\(file.path)")
        // As PostgreSQL's tools would write it.
        let digits = Data(Array(key.wrapped).hexDigits.utf8)
        #expect(!file.content.contains(sequence: digits), "\(file.path)")
      }
    }
    for path in [place.backup, place.keys, place.backup.appending(path: files[0].path)] {
      let mode = try FileManager.default.attributesOfItem(atPath: path.path)[.posixPermissions]
      #expect((mode as? Int ?? 0) & 0o077 == 0, "\(path.lastPathComponent)")
    }
  }

  @Test func `a backup has every table of a service, and every file but keys`() async throws {
    let place = try await BackupPlace.filled()
    try await place.run { bench in
      try await bench.setBoundary(.eu)
      #expect(
        try await bench.upload(sampleDump(key: .init(bootCount: 2, sequence: 1))).status == .created
      )
      try await place.makeBackup("later")
    }
    try await place.restore("later", keys: place.keys)
    let before = Box<[String]>([])
    let after = Box<[String]>([])
    try await place.run { before.value = try await Self.tables(of: $0) }
    try await place.runRestored { after.value = try await Self.tables(of: $0) }
    #expect(before.value == after.value)
    #expect(before.value.contains("us-east contents 1"), "\(before.value)")
    // What else is in the folder belongs to a database, or is the mark of a process.
    let files = try place.data.files().map(\.path).filter { path in
      !path.hasPrefix("keys/") && !path.hasPrefix("tls/") && path != "martlet.lock"
        && !BackupManifest.databases(of: .sqlite).contains {
          path == $0 || path == "\($0)-wal" || path == "\($0)-shm"
        }
    }
    #expect(files.isEmpty, "\(files)")
  }

  /// Each table with the number of its rows.
  private static func tables(of bench: ServiceBench) async throws -> [String] {
    let databases =
      [("management", bench.service.management.database)]
      + bench.service.dumps.all.map { ($0.region.storeName, $0.database) }
    var found: [String] = []
    for (name, database) in databases {
      found += try await database.read { db in
        let tables = try db.rows(
          db.engine == .sqlite
            ? """
            SELECT name FROM sqlite_master
            WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name
            """
            : """
            SELECT tablename::text AS name FROM pg_catalog.pg_tables
            WHERE schemaname = current_schema() ORDER BY tablename
            """
        ).map { try $0["name"] as String }
        // The processes that are there now.
        return try tables.filter { $0 != "fenceholders" }.map { table in
          let count: Int? = try db.value(
            SQLText(raw: "SELECT count(*) AS value FROM \(table)"))
          return "\(name) \(table) \(count ?? 0)"
        }
      }
    }
    return found
  }

  @Test func `the key file is overwritten`() async throws {
    let place = try await BackupPlace.filled()
    let old = try #require(FileHandle(forReadingAtPath: place.keys.path))
    place.clock.advance(seconds: 30 * BackupPlace.day)
    try await place.run { bench in
      _ = try await bench.service.deleteOverdue()
      try await place.makeBackup("later")
    }
    #expect(try KeyFile.read(place.keys).isEmpty)
    // What the old file's place on the disk holds.
    let left = try old.readToEnd() ?? Data()
    #expect(!left.isEmpty && left.allSatisfy { $0 == 0 })
  }

  @Test func `many keys go to the file and back`() async throws {
    let place = try BackupPlace()
    try await place.run(
      { bench in
        let keys = bench.service.dumps.eu.keys
        let first = RetentionSlot.minute(of: milliseconds(bench.clock.now))
        for minute in 0..<6000 {
          _ = try await keys.key(
            for: RetentionSlot(group: "g\(minute % 3)", minute: first + Int64(minute / 2)))
        }
        try await place.makeBackup()
      }, setUp: true)
    let count = Set((0..<6000).map { "\($0 % 3) \($0 / 2)" }).count
    let keys = try KeyFile.read(place.keys)
    #expect(keys.count == count)
    #expect(Set(keys.map { "\($0.group) \($0.minute)" }).count == count)
    try await place.restore(keys: place.keys)
    try await place.runRestored { bench in
      let restored = try await bench.service.dumps.eu.keys.count(before: .max)
      #expect(restored == count)
    }
  }
}

extension Data {
  fileprivate func contains(sequence other: Data) -> Bool { range(of: other) != nil }
}
