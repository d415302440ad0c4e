// Opens an SQLite database so that what was committed survives a power cut.

import Foundation
import GRDB

/// Opens or makes the database at `url` and brings its schema up to date.
///
/// WAL with `synchronous=FULL`: a commit is on disk when the call that made it returns. Temporary
/// data stays in memory, so that nothing of a region's store is written anywhere else. What is deleted
/// is overwritten, keys above all; the log of an earlier run is emptied, which may hold some still.
func openDatabase(at url: URL, migrator: DatabaseMigrator) throws -> DatabasePool {
  var configuration = Configuration()
  configuration.busyMode = .timeout(10)
  configuration.prepareDatabase {
    try $0.execute(sql: "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON")
  }
  let pool = try DatabasePool(path: url.path, configuration: configuration)
  // The pool sets NORMAL on its writer after `prepareDatabase`, so FULL is set once it is open.
  try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
  try migrator.migrate(pool)
  try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
  return pool
}

/// Milliseconds since 1970: how stores keep times.
func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1000).rounded()) }

/// The date of a stored time.
func date(milliseconds: Int64) -> Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }
