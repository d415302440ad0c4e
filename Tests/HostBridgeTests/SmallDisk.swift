// A disk of a few MiB for one test: a file system of its own where the system lets us mount one.

import Foundation
import GRDB
import MartletTestKit

@testable import HostBridge

/// A file system that a test may fill, and whose mount it may make read-only.
///
/// A helper process mounts it and takes the mount away when this process ends, however it ends.
final class SmallDisk: Sendable {
  let path: String
  private let helper: ProcessChild

  /// Mounts a tmpfs.
  ///
  /// - Throws: ``ProcessFailure`` when the system does not permit that.
  init(mib: Int, at path: String) throws(ProcessFailure) {
    self.path = path
    helper = try ProcessChild(
      URL(fileURLWithPath: "/bin/sh"),
      [
        "-c",
        """
        mkdir -p "$0" && mount -t tmpfs -o size=\(mib)m martlet-test "$0" || exit 1
        echo mounted
        while read -r command; do eval "$command"; echo "ended $?"; done
        umount -l "$0"
        """, path,
      ], takesInput: true)
    try helper.wait(for: "the mount") { output, _ in output.contains("mounted\n") }
  }

  /// Takes the mount away.
  func remove() {
    helper.write("umount -l '\(path)'\n")
    try? helper.wait(for: "the end of the mount") { output, _ in output.contains("ended") }
    helper.kill()
  }

  func remount(_ how: String) throws {
    let before = helper.output.count
    helper.write("mount -o remount,\(how) '\(path)'\n")
    try helper.wait(for: "remount") { output, _ in output.dropFirst(before).contains("ended") }
    guard helper.output.hasSuffix("ended 0\n") else {
      throw ProcessFailure(.unexpected, "cannot remount \(path): \(helper.errors)")
    }
  }

  /// Fills the disk to its last page with a file that is not the spool's.
  func fill() { Self.fill(path + "/filler") }

  static func fill(_ path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    guard file >= 0 else { return }
    defer { close(file) }
    let page = [UInt8](repeating: 7, count: 4_096)
    while write(file, page, page.count) > 0 {}
  }

  /// Gives back what ``fill()`` took.
  func free() { unlink(path + "/filler") }
}

/// A disk that fills up: a real one, or the database's own limit where no file system can be mounted.
struct FillingDisk: Sendable {
  var folder: String
  var isReal: Bool
  var fill: @Sendable (Spool) async throws -> Void
  var free: @Sendable (Spool) async throws -> Void

  static func with(mib: Int, _ body: (FillingDisk) async throws -> Void) async throws {
    try await TemporaryDirectory.with { folder in
      let disk: SmallDisk
      do throws(ProcessFailure) {
        disk = try SmallDisk(mib: mib, at: folder.file("disk").path)
      } catch {
        print("no file system can be mounted here: the database's own limit stands for the disk's")
        try await body(imitated(folder))
        return
      }
      defer { disk.remove() }
      try await body(
        FillingDisk(
          folder: disk.path + "/spool", isReal: true, fill: { _ in disk.fill() },
          free: { _ in disk.free() }))
    }
  }

  /// SQLite answers SQLITE_FULL when the database would grow.
  static func imitated(_ folder: TemporaryDirectory) -> FillingDisk {
    FillingDisk(
      folder: folder.path, isReal: false,
      fill: { spool in
        try await spool.connected().write { db in
          let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
          try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
      },
      free: { spool in
        try await spool.connected().write { db in
          try db.execute(sql: "PRAGMA max_page_count = 1000000")
        }
      })
  }
}
