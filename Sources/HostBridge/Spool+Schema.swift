// How the spool's database is opened and laid out.

import DumpFormat
import Foundation
import GRDB

extension Spool {
  static let databaseName = "spool.sqlite"

  /// Of rows whose bytes are here. The indexes say it in the same words, or they are not used.
  static let isHeld = "state IN (0, 3)"

  func openDatabase() throws -> DatabaseQueue {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var configuration = Configuration()
    configuration.journalMode = .wal
    configuration.busyMode = .timeout(5)
    configuration.label = "spool"
    configuration.prepareDatabase { db in
      // One process at a time, and no file of shared memory that a full disk could refuse.
      try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
    }
    let queue = try DatabaseQueue(path: databasePath, configuration: configuration)
    let longestLog = reserve.size / 4
    // After the queue has chosen WAL, because choosing it also lowers `synchronous`. A queue has
    // one connection, so this holds for every use of it.
    try queue.inDatabase { db in
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // Purged bytes are overwritten, not just forgotten.
      try db.execute(sql: "PRAGMA secure_delete = ON")
      let pageSize = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 4_096
      try db.execute(sql: "PRAGMA wal_autocheckpoint = \(longestLog / pageSize)")
      // How often dumps failed: forgotten with the process, and no disk is needed for it.
      try db.execute(sql: "PRAGMA temp_store = MEMORY")
      try db.execute(
        sql: "CREATE TEMP TABLE attempt (dump INTEGER PRIMARY KEY, count INTEGER NOT NULL)")
    }
    try Self.migrator.migrate(queue)
    return queue
  }

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: dumps") { db in
      try db.execute(
        sql: """
          CREATE TABLE dump (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            device TEXT NOT NULL,
            boot_count INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            state INTEGER NOT NULL,
            fingerprint TEXT NOT NULL,
            occurrences INTEGER NOT NULL,
            size INTEGER NOT NULL,
            prologue BLOB NOT NULL,
            bytes BLOB,
            attempts INTEGER NOT NULL DEFAULT 0,
            note TEXT,
            UNIQUE (device, boot_count, sequence)
          );
          CREATE INDEX dump_by_state ON dump (state, attempts, id);
          """)
    }
    migrator.registerMigration("2: crash counts") { db in
      try db.execute(
        sql: """
          CREATE TABLE crash_count (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            device TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            first_boot INTEGER NOT NULL,
            first_uptime INTEGER,
            last_boot INTEGER NOT NULL,
            last_uptime INTEGER,
            count INTEGER NOT NULL,
            sent INTEGER NOT NULL DEFAULT 0,
            UNIQUE (device, fingerprint, first_boot)
          );
          CREATE INDEX crash_count_waiting ON crash_count (device, id) WHERE sent < count;
          """)
    }
    migrator.registerMigration("3: age") { db in
      try db.execute(
        sql: """
          -- The spool's own time when the dump came, by which it grows old; and the time of day.
          ALTER TABLE dump ADD COLUMN kept_at REAL NOT NULL DEFAULT 0;
          ALTER TABLE dump ADD COLUMN stored_at REAL;
          CREATE TABLE spool_time (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            time REAL NOT NULL,
            wall REAL NOT NULL
          );
          -- Empty but for the moment in which a disk that was full is tried.
          CREATE TABLE spool_probe (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
          DROP INDEX dump_by_state;
          -- All that is ever counted of the dumps that are here, so that no dump is read for it.
          CREATE INDEX dump_held ON dump (device, fingerprint, state, boot_count, sequence, size,
            kept_at) WHERE \(isHeld);
          CREATE INDEX dump_waiting ON dump (device, id, state) WHERE state = 0;
          CREATE INDEX dump_gone ON dump (id, state) WHERE NOT (\(isHeld));
          """)
    }
    migrator.registerMigration("4: sealed dumps alone") { db in
      // Of an older bridge. The service would refuse them, and nothing but sealed bodies rests here.
      let layout = (version: 4, encoding: PrologueLayout.encoding)
      try db.execute(
        sql: """
          UPDATE dump SET state = \(State.purged.rawValue), note = 'it is not sealed', bytes = NULL
          WHERE \(isHeld) AND (substr(prologue, \(layout.version + 1), 1) <> ?
            OR substr(prologue, \(layout.encoding + 1), 1) <> ?)
          """,
        arguments: [Data([dumpFormatVersion]), Data([DumpEncoding.sealed.rawValue])])
    }
    return migrator
  }
}
