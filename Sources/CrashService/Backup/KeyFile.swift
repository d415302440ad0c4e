// The file with the keys that dumps are encrypted under: never a part of a backup.

import Foundation
import SQLStorage
import ServiceAPI

/// A file of JSON lines: a head, a line for each key as it lies in the key databases, wrapped under the master
/// key, and a foot with the SHA-256 of all lines before.
///
/// There is one such file and each backup overwrites it, so that a key that was destroyed is nowhere soon. Whoever
/// archives it keeps what has to end.
enum KeyFile {
  static let format = 1

  struct Head: Codable {
    var format: Int
    var made: Date
  }

  struct Key: Codable, Equatable, Sendable {
    /// ``Region/storeName``.
    var region: String
    var group: String
    var minute: Int64
    var wrapped: Data
  }

  struct Foot: Codable {
    var count: Int
    var sha256: String
  }

  // MARK: - Writing

  /// Writes the keys of all regions in the place of the file, whole or not at all.
  /// - Returns: how many.
  static func write(_ databases: [(Region, any SQLDatabase)], to file: URL, now: Date) async throws
    -> Int
  {
    let draft = file.deletingLastPathComponent()
      .appending(path: ".\(file.lastPathComponent)-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: draft) }
    let handle = try BackupFiles.create(draft)
    var hash = RunningHash()
    var count = 0
    func put(_ value: some Encodable) throws {
      let line = try ServiceJSON.encoder().encode(value) + Data([0x0A])
      hash.update(line)
      try handle.write(contentsOf: line)
    }
    try put(Head(format: format, made: now))
    for (region, database) in databases {
      var last: RetentionSlot?
      while case let page = try await RetentionKeys.page(after: last, in: database), !page.isEmpty {
        for (slot, wrapped) in page {
          try put(
            Key(region: region.storeName, group: slot.group, minute: slot.minute, wrapped: wrapped))
        }
        count += page.count
        last = page.last?.slot
      }
    }
    try put(Foot(count: count, sha256: hash.hex))
    try handle.synchronize()
    try handle.close()
    try BackupFiles.replace(file, with: draft)
    return count
  }

  // MARK: - Reading

  /// Reads all keys of a file.
  /// - Throws: ``BackupFailure``.
  static func read(_ file: URL) throws -> [Key] {
    guard let data = try? Data(contentsOf: file) else {
      throw BackupFailure(
        .keysNotUsable, "The key file \(file.path) cannot be read",
        remedy: "Name the file that martlet-service backup wrote with --keys")
    }
    let damaged = BackupFailure(
      .keysNotUsable, "\(file.path) is no key file, or not whole any more",
      remedy: "Name the file that martlet-service backup wrote with --keys")
    var lines = data.split(separator: 0x0A, omittingEmptySubsequences: false)
    // What ends with a line end has nothing behind it.
    guard lines.popLast()?.isEmpty == true, let last = lines.popLast(), let first = lines.first
    else { throw damaged }
    let decoder = ServiceJSON.decoder()
    guard let head = try? decoder.decode(Head.self, from: first) else { throw damaged }
    guard head.format <= format else {
      throw BackupFailure(
        .tooNew, "A newer version of the service made \(file.path) (format \(head.format))",
        remedy: "Restore with that version")
    }
    var hash = RunningHash()
    hash.update(Data(data.prefix(upTo: last.startIndex)))
    guard let foot = try? decoder.decode(Foot.self, from: last), foot.sha256 == hash.hex,
      foot.count == lines.count - 1
    else { throw damaged }
    do {
      return try lines.dropFirst().map { try decoder.decode(Key.self, from: $0) }
    } catch {
      throw damaged
    }
  }
}
