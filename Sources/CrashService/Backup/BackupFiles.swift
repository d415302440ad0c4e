// Files as backups need them: copied with their hash, on disk, and for their owner alone.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum BackupFiles {
  private static let piece = 1 << 20

  /// Makes a folder that is there and empty afterwards.
  /// - Throws: ``BackupFailure``.
  static func makeEmpty(_ folder: URL) throws {
    let files = FileManager.default
    do {
      try files.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      guard try files.contentsOfDirectory(atPath: folder.path).isEmpty else {
        throw BackupFailure(
          .targetNotEmpty, "The folder \(folder.path) is not empty",
          remedy: "Name one that is empty or does not exist: nothing is ever overwritten")
      }
    } catch let failure as BackupFailure {
      throw failure
    } catch {
      throw notWritable(folder, error.localizedDescription)
    }
  }

  /// Empties a folder that ``makeEmpty(_:)`` made.
  static func empty(_ folder: URL) {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: folder.path)) ?? [] {
      try? files.removeItem(at: folder.appending(path: name))
    }
  }

  /// Copies a file and puts the copy on the disk.
  /// - Returns: length and SHA-256 of what was copied.
  static func copy(_ source: URL, to target: URL) throws -> (bytes: Int, sha256: String) {
    try FileManager.default.createDirectory(
      at: target.deletingLastPathComponent(), withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    let input = try FileHandle(forReadingFrom: source)
    defer { try? input.close() }
    let output = try create(target)
    defer { try? output.close() }
    var hash = RunningHash()
    while let data = try input.read(upToCount: piece), !data.isEmpty {
      hash.update(data)
      try output.write(contentsOf: data)
    }
    try output.synchronize()
    return (hash.bytes, hash.hex)
  }

  /// Length and SHA-256 of a file, which is on the disk when the call returns.
  static func settle(_ file: URL) throws -> (bytes: Int, sha256: String) {
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    let handle = try FileHandle(forUpdating: file)
    defer { try? handle.close() }
    var hash = RunningHash()
    while let data = try handle.read(upToCount: piece), !data.isEmpty { hash.update(data) }
    try handle.synchronize()
    return (hash.bytes, hash.hex)
  }

  /// A new file that its owner alone may read.
  static func create(_ file: URL) throws -> FileHandle {
    let descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw notWritable(file, String(cString: strerror(errno))) }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Puts the names in a folder on the disk.
  static func synchronize(_ folder: URL) {
    let descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  /// Puts `draft` in the place of a file and overwrites what that one held, as far as the disk writes in place.
  static func replace(_ file: URL, with draft: URL) throws {
    let old = try? FileHandle(forUpdating: file)
    guard rename(draft.path, file.path) == 0 else {
      throw notWritable(file, String(cString: strerror(errno)))
    }
    synchronize(file.deletingLastPathComponent())
    guard let old else { return }
    var left = try old.seekToEnd()
    try old.seek(toOffset: 0)
    while left > 0 {
      let count = min(left, UInt64(piece))
      try old.write(contentsOf: Data(count: Int(count)))
      left -= count
    }
    try old.synchronize()
    try old.close()
  }

  static func notWritable(_ url: URL, _ reason: String) -> BackupFailure {
    BackupFailure(
      .notWritable, "\(url.path) cannot be written: \(reason)",
      remedy: "Name another place, or change who may write there; check that its disk has room")
  }
}
