// How the spool's database is opened and laid out.

import Foundation
import GRDB

extension Spool {
  static func open(folder: String) throws -> DatabaseQueue {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var configuration = Configuration()
    configuration.journalMode = .wal
    configuration.busyMode = .timeout(5)
    configuration.label = "spool"
    let queue = try DatabaseQueue(path: folder + "/spool.sqlite", configuration: configuration)
    // After the queue has chosen WAL, because choosing it also lowers `synchronous`. A queue has
    // one connection, so this holds for every use of it.
    try queue.inDatabase { db in
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // Purged bytes are overwritten, not just forgotten.
      try db.execute(sql: "PRAGMA secure_delete = ON")
    }
    try migrator.migrate(queue)
    return queue
  }

  private static var migrator: DatabaseMigrator {
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
    return migrator
  }
}
