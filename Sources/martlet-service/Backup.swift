// `martlet-service backup` and `martlet-service restore`.

import ArgumentParser
import CrashService
import Foundation
import Logging

struct Backup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copies the stores of a service, which may run meanwhile.",
    discussion: """
      The copy is a new folder. What is secret in it is encrypted under the master key, and it holds \
      none of the keys that dumps are encrypted under: those are destroyed after 29 days at the \
      latest, and a backup would keep them. They go to the file of --keys, which each backup \
      overwrites. Keep that file beside the service's disk, for the day on which the disk is lost, and \
      never archive it: an archived one opens dumps that had to end.

      When the variables MARTLET_DATABASE_... name databases of PostgreSQL, those are copied with pg_dump, \
      and the certificates of --data.

      Examples:
        martlet-service backup --data ./service-data --to /backups/2026-11-23 --keys /safe/last.keys
        martlet-service restore --from /backups/2026-11-23 --data ./service-data --keys /safe/last.keys
      """)

  @OptionGroup var dataOptions: DataOptions

  @Option(
    help: "The folder for the copy: one that does not exist or is empty.", completion: .directory)
  var to: String

  @Option(
    help: "The file for the keys of the dumps, overwritten each time. Without it none is written.",
    completion: .file())
  var keys: String?

  func run() async throws {
    umask(0o077)
    let manifest = try await ServiceBackup.make(
      of: dataOptions.folder, storage: .chosen(), to: URL(fileURLWithPath: to),
      keys: keys.map { URL(fileURLWithPath: $0) }, now: Date())
    let bytes = manifest.files.map(\.bytes).reduce(0, +)
    print("Backed up \(manifest.files.count) files, \(bytes) bytes, to \(to).")
    if keys == nil {
      print("Without --keys no key of a dump was kept: restored from this alone, no dump opens.")
    }
  }
}

struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes the folder of a service out of a backup.",
    discussion: """
      Nothing is restored unless every file is what was backed up. What is over by now is deleted before \
      the service can be started. Consents and tokens are those of the backup: what was revoked \
      since has to be revoked again, before the service is started. A service that was on PostgreSQL is \
      restored into seven empty databases, which the variables MARTLET_DATABASE_... name.

      Example:
        martlet-service restore --from /backups/2026-11-23 --data ./service-data --keys /safe/last.keys
      """)

  @Option(help: "The folder that martlet-service backup made.", completion: .directory)
  var from: String

  @Option(
    help: "The service's new folder: one that does not exist or is empty.", completion: .directory)
  var data: String

  @Option(help: "The file that the last backup wrote with --keys.", completion: .file())
  var keys: String?

  @Flag(help: "Restore without the keys: no dump of the backup opens ever again.")
  var noKeys = false

  @OptionGroup var masterKeyOptions: MasterKeyOptions

  func validate() throws {
    guard (keys == nil) == noKeys else {
      throw ValidationError(
        "Name the key file with --keys, or say with --no-keys that the dumps need not open.")
    }
  }

  func run() async throws {
    umask(0o077)
    var logger = Logger(label: "martlet-service") { _ in LineLogHandler(.text) }
    logger.logLevel = .warning
    let folder = URL(fileURLWithPath: data)
    let found = try masterKeyOptions.source(dataFolder: folder).find()
    guard !found.isNew else {
      throw BackupFailure(
        .keysNotUsable, "There is no master key: the backup needs that of its service",
        remedy: "Name it with --master-key-file or in \(MasterKeySource.variable)")
    }
    let restored = try await ServiceBackup.restore(
      from: URL(fileURLWithPath: from), to: folder, storage: .chosen(),
      keys: keys.map { URL(fileURLWithPath: $0) },
      masterKey: found.key, logger: logger)
    print("Restored \(restored.dumps) dumps of \(restored.made.formatted(.iso8601)) to \(data).")
    if restored.sealedForGood > 0 {
      print("\(restored.sealedForGood) of them open no more: their keys are not in the key file.")
    }
    print("Consents and tokens are those of that time: revoke again what was revoked since.")
  }
}
