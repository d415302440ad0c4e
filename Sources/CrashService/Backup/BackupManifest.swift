// What a backup holds.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI

/// The file `manifest.json` of a backup, written last: a backup without one was never finished.
public struct BackupManifest: Codable, Equatable, Sendable {
  static let name = "manifest.json"
  /// The format of backups that this version makes and reads.
  static let format = 1

  public struct File: Codable, Equatable, Sendable {
    /// Its path in the backup and in the data folder.
    public var name: String
    public var bytes: Int
    /// Hex digits.
    public var sha256: String
    /// Where the tables were, in a database of PostgreSQL.
    public var schema: String?
  }

  public var format: Int
  /// When it was begun, by the service's clock.
  public var made: Date
  /// What the service kept its databases in.
  public var engine: SQLEngine
  public var files: [File]

  /// Reads the manifest of a backup.
  /// - Throws: ``BackupFailure``.
  init(of backup: URL) throws {
    let file = backup.appending(path: Self.name)
    guard let data = try? Data(contentsOf: file) else {
      throw BackupFailure(
        .sourceMissing,
        "\(backup.path) is no backup, or one that was never finished: it has no "
          + Self.name, remedy: "Name the folder that martlet-service backup made")
    }
    struct Format: Decodable { var format: Int }
    guard let format = try? ServiceJSON.decoder().decode(Format.self, from: data).format else {
      throw BackupFailure.damaged("\(file.path) is not readable")
    }
    guard format <= Self.format else {
      throw BackupFailure(
        .tooNew, "A newer version of the service made \(backup.path) (format \(format))",
        remedy: "Restore it with that version")
    }
    guard let manifest = try? ServiceJSON.decoder().decode(Self.self, from: data) else {
      throw BackupFailure.damaged("\(file.path) is not readable")
    }
    self = manifest
    // No name leads anywhere else.
    if let name = files.map(\.name).first(where: { !isKnown($0) }) {
      throw BackupFailure.damaged(
        "The backup \(backup.path) names a file that is none of it: \(name)")
    }
    for name in Self.databases(of: engine) where !files.contains(where: { $0.name == name }) {
      throw BackupFailure.damaged("The backup \(backup.path) has no \(name)")
    }
    guard engine == .sqlite || databaseFiles.allSatisfy({ $0.schema?.isEmpty == false }) else {
      throw BackupFailure.damaged("\(file.path) does not say where all tables were")
    }
  }

  init(made: Date, engine: SQLEngine, files: [File]) {
    format = Self.format
    self.made = made
    self.engine = engine
    self.files = files
  }

  // MARK: - Which files

  /// Every database but those with keys, management data behind all dumps: a file of SQLite as it is in the data
  /// folder, or what `pg_dump` writes.
  static func databases(of engine: SQLEngine) -> [String] {
    let suffix =
      switch engine {
      case .sqlite: "sqlite"
      case .postgres: "pgdump"
      }
    return (Region.allCases.map(\.storeName) + ["martlet"]).map { "\($0).\(suffix)" }
  }

  /// The files that are databases.
  var databaseFiles: [File] {
    let names = Self.databases(of: engine)
    return files.filter { names.contains($0.name) }
  }

  /// The folder with the service's certificates; their keys are encrypted under the master key.
  static let certificates = "tls"

  private func isKnown(_ name: String) -> Bool {
    if Self.databases(of: engine).contains(name) { return true }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[0] == Self.certificates
      && parts[1].wholeMatch(of: /[a-z][a-z0-9.-]*/) != nil
  }
}

/// SHA-256 over pieces, so that no file is held whole.
struct RunningHash {
  private var hash = SHA256()
  private(set) var bytes = 0

  mutating func update(_ data: Data) {
    hash.update(data: data)
    bytes += data.count
  }

  var hex: String { Array(hash.finalize()).hexDigits }
}
