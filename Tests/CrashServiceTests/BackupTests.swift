// Backups: what they open, what they never open again, and what is refused.

import Foundation
import Logging
import MartletTestKit
import SQLStorage
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct BackupTests {
  private static let day: TimeInterval = 86_400

  /// A service with one dump, a backup of it, and places for more.
  private struct Place: Sendable {
    let folder = TestFolder()
    let clock = TestClock()
    let backup: URL
    let keys: URL
    private let made = MadeFolders()

    /// Of the service that is backed up.
    var data: TestFolder { self["data"] }

    /// The folder of a service, with databases of its own: the same for the same name.
    subscript(name: String) -> TestFolder { made.folder(name, in: folder) }

    init() throws {
      backup = folder.url.appending(path: "backup")
      keys = folder.url.appending(path: "last.keys")
      try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    }

    func run(_ body: @escaping @Sendable (ServiceBench) async throws -> Void, setUp: Bool = false)
      async throws
    {
      try await ServiceBench.run(folder: data, setUp: setUp, clock: clock, body)
    }

    func makeBackup(_ name: String = "backup") async throws {
      try await ServiceBackup.make(
        of: data.url, storage: data.storage(), to: folder.url.appending(path: name), keys: keys,
        now: clock.now)
    }

    @discardableResult
    func restore(_ name: String = "backup", to target: String = "restored", keys: URL?)
      async throws -> ServiceBackup.Restored
    {
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      return try await ServiceBackup.restore(
        from: folder.url.appending(path: name), to: self[target].url,
        storage: self[target].storage(), keys: keys, masterKey: ServiceBench.masterKey,
        clock: clock.watched, logger: logger)
    }

    func runRestored(
      _ target: String = "restored", _ body: @escaping @Sendable (ServiceBench) async throws -> Void
    ) async throws {
      try await ServiceBench.run(folder: self[target], setUp: false, clock: clock, body)
    }
  }

  private final class MadeFolders: Sendable {
    private let folders = Mutex<[String: TestFolder]>([:])

    func folder(_ name: String, in parent: TestFolder) -> TestFolder {
      folders.withLock { folders in
        let folder =
          folders[name]
          ?? TestFolder(at: parent.url.appending(path: name), databases: .whole())
        folders[name] = folder
        return folder
      }
    }
  }

  private static let content = sampleDump(memory: Array("memory of a board".utf8))

  /// Stores a dump and makes the backup while the service runs.
  private static func filled() async throws -> Place {
    let place = try Place()
    try await place.run(
      { bench in
        try await bench.setConsent(.enabled)
        #expect(try await bench.upload(content).status == .created)
        try await place.makeBackup()
      }, setUp: true)
    return place
  }

  // MARK: - What comes back

  @Test func `after the loss of the disk everything opens with the last key file`() async throws {
    let place = try await Self.filled()
    try FileManager.default.removeItem(at: place.data.url)
    place.clock.advance(seconds: 10 * Self.day)
    let restored = try await place.restore(keys: place.keys)
    #expect(restored.dumps == 1 && restored.sealedForGood == 0)
    #expect(abs(restored.made.timeIntervalSince(place.clock.now) + 10 * Self.day) < 1)
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
    let place = try await Self.filled()
    place.clock.advance(seconds: 20 * Self.day)
    try await place.run { bench in
      #expect(
        try await bench.upload(sampleDump(key: .init(bootCount: 2, sequence: 1))).status == .created
      )
      bench.clock.advance(seconds: 9 * Self.day)
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
    let place = try Place()
    let copy = place.folder.url.appending(path: "copy")
    try await place.run(
      { bench in
        try await bench.setConsent(.enabled)
        #expect(try await bench.upload(Self.content).status == .created)
        // Somebody copies the stores, but not the folder with the keys.
        try FileManager.default.copyItem(at: place.data.url, to: copy)
        try FileManager.default.removeItem(at: copy.appending(path: "keys"))
        bench.clock.advance(seconds: 29 * Self.day)
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
    let place = try await Self.filled()
    #expect(
      try await place.restore(keys: nil)
        == .init(made: place.clock.now, dumps: 1, sealedForGood: 1))
  }

  // MARK: - What is in it

  @Test func `a backup holds no key of a dump, and the key file no dump`() async throws {
    let place = try await Self.filled()
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
    let place = try await Self.filled()
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

  @Test(.onPostgres) func `databases with tables are left as they are`() async throws {
    let place = try await Self.filled()
    try await place.run { bench in
      let storage = try await place.data.storage()
      let failure = await #expect(throws: BackupFailure.self) {
        try await ServiceBackup.restore(
          from: place.backup, to: place.folder.url.appending(path: "new"), storage: storage,
          keys: place.keys, masterKey: ServiceBench.masterKey, clock: place.clock.watched)
      }
      #expect(failure?.code == .targetNotEmpty)
      #expect(try await bench.dumps().count == 1)
    }
  }

  @Test func `what was refused leaves databases empty`() async throws {
    let place = try await Self.filled()
    await #expect(throws: ServiceStartFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: place["restored"].url, storage: place["restored"].storage(),
        keys: place.keys, masterKey: MasterKey(), clock: place.clock.watched)
    }
    // So the next one finds room.
    #expect(try await place.restore(keys: place.keys).dumps == 1)
  }

  @Test func `the backup of one engine is not restored on the other`() async throws {
    let place = try await Self.filled()
    let other = TestFolder(
      engine: place.data.engine == .sqlite ? .postgres : .sqlite, databases: .whole())
    let failure = await #expect(throws: BackupFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: other.url, storage: other.storage(), keys: place.keys,
        masterKey: ServiceBench.masterKey, clock: place.clock.watched)
    }
    #expect(failure?.message.contains("PostgreSQL") == true)
  }

  @Test func `the key file is overwritten`() async throws {
    let place = try await Self.filled()
    let old = try #require(FileHandle(forReadingAtPath: place.keys.path))
    place.clock.advance(seconds: 30 * Self.day)
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
    let place = try Place()
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

  // MARK: - What is refused

  @Test func `a folder that has something in it is left as it is`() async throws {
    let place = try await Self.filled()
    await #expect(throws: BackupFailure.self) { try await place.makeBackup() }
    #expect(throws: Never.self) { try BackupManifest(of: place.backup) }
    let failure = await #expect(throws: BackupFailure.self) {
      try await place.restore(to: "data", keys: place.keys)
    }
    #expect(failure?.code == .targetNotEmpty)
    try await place.run { bench in
      let dumps = try await bench.dumps()
      #expect(dumps.count == 1)
    }
  }

  @Test func `no service and no backup are told from one another`() async throws {
    let place = try Place()
    let none = await #expect(throws: BackupFailure.self) { try await place.makeBackup() }
    #expect(none?.code == .sourceMissing)
    let unfinished = await #expect(throws: BackupFailure.self) {
      try await place.restore(keys: nil)
    }
    #expect(unfinished?.code == .sourceMissing)
  }

  @Test func `a backup with any byte changed, cut or missing is refused whole`() async throws {
    let place = try await Self.filled()
    var generator = SeededGenerator.fromEnvironment()
    let names = BackupManifest.databases(of: place.data.engine.sql) + [BackupManifest.name]
    for round in 0..<24 {
      let name = names[round % names.count]
      let damaged = place.folder.url.appending(path: "damaged-\(round)")
      try FileManager.default.copyItem(at: place.backup, to: damaged)
      let file = damaged.appending(path: name)
      var bytes = try Data(contentsOf: file)
      switch round / names.count % 3 {
      case 0: bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= 0x40
      case 1: bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))
      default: bytes = Data()
      }
      if round < 20 {
        try bytes.write(to: file)
      } else {
        try FileManager.default.removeItem(at: file)
      }
      await #expect(throws: BackupFailure.self, "seed \(generator.seed), round \(round), \(name)") {
        try await place.restore("damaged-\(round)", to: "of-damaged-\(round)", keys: place.keys)
      }
      let left = try? FileManager.default.contentsOfDirectory(
        atPath: place.folder.url.appending(path: "of-damaged-\(round)").path)
      #expect(left ?? [] == [], "\(name)")
    }
  }

  @Test func `a manifest that names files elsewhere is refused`() async throws {
    let place = try await Self.filled()
    for name in [
      "../../outside", "tls/../eu.sqlite", "/etc/passwd", "tls/", "tls/a/b", "keys/eu.sqlite",
      "keys.pgdump",
    ] {
      let file = place.backup.appending(path: BackupManifest.name)
      let text = try String(contentsOf: file, encoding: .utf8)
      var manifest = try ServiceJSON.decoder().decode(BackupManifest.self, from: Data(text.utf8))
      manifest.files.append(.init(name: name, bytes: 0, sha256: ""))
      try ServiceJSON.encoder().encode(manifest).write(to: file)
      let failure = await #expect(throws: BackupFailure.self) {
        try await place.restore(keys: place.keys)
      }
      #expect(failure?.code == .damaged)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
  }

  @Test func `a key file that is damaged or another service's is refused`() async throws {
    let place = try await Self.filled()
    let whole = try Data(contentsOf: place.keys)
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<200 {
      var bytes = whole
      if generator.chance(0.5) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= 1
      } else {
        bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))
      }
      try bytes.write(to: place.keys)
      #expect(throws: BackupFailure.self, "seed \(generator.seed)") { try KeyFile.read(place.keys) }
    }
    let other = try Place()
    try await ServiceBench.run(folder: other.data, clock: other.clock) { bench in
      let slot = RetentionSlot(group: "g", time: milliseconds(bench.clock.now))
      // As another master key would have wrapped it.
      try await bench.service.dumps.eu.keys.database.write { db in
        try db.run(
          """
          INSERT INTO retentionKeys (groupId, minute, wrapped)
          VALUES (\(slot.group), \(slot.minute), \(Data(repeating: 7, count: 60)))
          """)
      }
      try await other.makeBackup()
    }
    let failure = await #expect(throws: BackupFailure.self) {
      try await place.restore(keys: other.keys)
    }
    #expect(failure?.code == .keysNotUsable)
  }

  @Test func `another master key opens no backup`() async throws {
    let place = try await Self.filled()
    let failure = await #expect(throws: ServiceStartFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: place["restored"].url, storage: place["restored"].storage(),
        keys: place.keys, masterKey: MasterKey(), clock: place.clock.watched)
    }
    #expect(failure?.code == .wrongMasterKey)
  }
}

extension Data {
  fileprivate func contains(sequence other: Data) -> Bool { range(of: other) != nil }
}
