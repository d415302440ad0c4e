// Backups that are not made and not restored, and what is left untouched then.

import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct BackupRefusalTests {
  @Test func `a folder that has something in it is left as it is`() async throws {
    let place = try await BackupPlace.filled()
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
    let place = try BackupPlace()
    let none = await #expect(throws: BackupFailure.self) { try await place.makeBackup() }
    #expect(none?.code == .sourceMissing)
    let unfinished = await #expect(throws: BackupFailure.self) {
      try await place.restore(keys: nil)
    }
    #expect(unfinished?.code == .sourceMissing)
  }

  @Test func `a backup with any byte changed, cut or missing is refused whole`() async throws {
    let place = try await BackupPlace.filled()
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
    let place = try await BackupPlace.filled()
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
    let place = try await BackupPlace.filled()
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
    let other = try BackupPlace()
    try await ServiceBench.run(folder: other.data, clock: other.clock) { bench in
      let slot = RetentionSlot(group: "g", time: milliseconds(bench.clock.now))
      // As another master key would have wrapped it.
      let keys = bench.service.dumps.eu.keys
      try await keys.partitions.having([slot.day], in: keys.database) {
        _ = try await keys.database.write { db in
          try db.run(
            """
            INSERT INTO retentionKeys (groupId, minute, wrapped)
            VALUES (\(slot.group), \(slot.minute), \(Data(repeating: 7, count: 60)))
            """)
        }
      }
      try await other.makeBackup()
    }
    let failure = await #expect(throws: BackupFailure.self) {
      try await place.restore(keys: other.keys)
    }
    #expect(failure?.code == .keysNotUsable)
  }

  @Test func `another master key opens no backup`() async throws {
    let place = try await BackupPlace.filled()
    let failure = await #expect(throws: ServiceStartFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: place["restored"].url, storage: place["restored"].storage(),
        keys: place.keys, masterKey: MasterKey(), clock: place.clock.watched)
    }
    #expect(failure?.code == .wrongMasterKey)
  }

  @Test(.onPostgres) func `databases with tables are left as they are`() async throws {
    let place = try await BackupPlace.filled()
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

  @Test(.onPostgres) func `a manifest that does not say where tables were is refused`() async throws
  {
    let place = try await BackupPlace.filled()
    let file = place.backup.appending(path: BackupManifest.name)
    let text = try String(contentsOf: file, encoding: .utf8)
    for name in ["schemb", ""] {
      try text.replacingOccurrences(of: "\"schema\"", with: "\"\(name)\"")
        .write(to: file, atomically: true, encoding: .utf8)
      let failure = await #expect(throws: BackupFailure.self) {
        try await place.restore(keys: place.keys)
      }
      #expect(failure?.code == .damaged)
    }
  }

  @Test func `what was refused leaves databases empty`() async throws {
    let place = try await BackupPlace.filled()
    await #expect(throws: ServiceStartFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: place["restored"].url, storage: place["restored"].storage(),
        keys: place.keys, masterKey: MasterKey(), clock: place.clock.watched)
    }
    // So the next one finds room.
    #expect(try await place.restore(keys: place.keys).dumps == 1)
  }

  @Test func `the backup of one engine is not restored on the other`() async throws {
    let place = try await BackupPlace.filled()
    let other = TestFolder(
      engine: place.data.engine == .sqlite ? .postgres : .sqlite, databases: .whole())
    let failure = await #expect(throws: BackupFailure.self) {
      try await ServiceBackup.restore(
        from: place.backup, to: other.url, storage: other.storage(), keys: place.keys,
        masterKey: ServiceBench.masterKey, clock: place.clock.watched)
    }
    #expect(failure?.message.contains("PostgreSQL") == true)
  }
}
