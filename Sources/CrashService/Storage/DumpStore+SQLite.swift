// A region's dumps and keys in SQLite files.

import Foundation
import SQLStorage

extension DumpStore {
  /// Opens `<region>.sqlite` and `keys/<region>.sqlite` in the data folder.
  convenience init(
    region: Region, in folder: URL, masterKey: MasterKey, metrics: ServiceMetrics? = nil
  ) async throws {
    let keyFolder = folder.appending(path: "keys")
    try FileManager.default.createDirectory(
      at: keyFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let name = "\(region.storeName).sqlite"
    try await self.init(
      region: region,
      // What is in the rows is encrypted, so they need not be overwritten; the keys are.
      database: SQLiteDatabase(
        at: folder.appending(path: name), options: .init(erasesDeleted: false, logPages: 1500)),
      keyDatabase: SQLiteDatabase(at: keyFolder.appending(path: name)), masterKey: masterKey,
      metrics: metrics)
  }
}
