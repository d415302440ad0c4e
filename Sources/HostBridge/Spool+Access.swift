// The one way to the database: opened when needed, its errors understood, a full disk got over.

import Foundation
import GRDB
import Synchronization

extension Spool {
  /// Every use of the database goes through here: its errors become the bridge's, and the spool's
  /// condition.
  ///
  /// - Parameter freesBytes: whether the work is what empties the spool. It may use the room that is
  ///   put by, because without it a full disk would stay full.
  func access<Result: Sendable>(
    freesBytes: Bool = false, _ body: @Sendable (DatabaseQueue) async throws -> Result
  ) async throws(HostBridgeError) -> Result {
    do {
      return try await body(connected())
    } catch is CancellationError {
      throw HostBridgeError(code: .spoolFailed, message: "the work on the spool was cancelled")
    } catch {
      let kind = note(error)
      if freesBytes, kind == .diskFull, reserve.release() {
        return try await useReserve(body)
      }
      throw failure
    }
  }

  /// Does once more what failed on the full disk, in the room that was put by, and gives as much of
  /// it back as there is.
  private func useReserve<Result: Sendable>(
    _ body: @Sendable (DatabaseQueue) async throws -> Result
  ) async throws(HostBridgeError) -> Result {
    do {
      let queue = try connected()
      let result = try await body(queue)
      try? await Self.emptyLog(of: queue)
      _ = reserve.make()
      return result
    } catch {
      note(error)
      throw failure
    }
  }

  /// Has the room put by, so that what is taken now can be handed over later.
  func holdReserve() async throws(HostBridgeError) {
    // A log that could not be emptied for want of room must not grow on.
    if Self.size(of: databasePath + "-wal") > reserve.size / 2 {
      try await access { queue in try await Self.emptyLog(of: queue) }
    }
    let code = reserve.make()
    guard code != 0 else { return }
    let error = POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
    note(error)
    throw failure
  }

  /// Finds out whether a disk that failed takes a dump again, by writing as much as the largest that
  /// it refused and taking that away again. The database has free pages for a dump then.
  func makeSureOfDisk(size: Int = 0) async throws(HostBridgeError) {
    try await holdReserve()
    let size = max(size, refusedSize.load(ordering: .relaxed), 16 << 10)
    try await access { queue in
      try await queue.write { db in
        try db.execute(
          sql: "INSERT OR REPLACE INTO spool_probe (id, bytes) VALUES (1, zeroblob(?))",
          arguments: [size])
      }
    }
    try await access(freesBytes: true) { queue in
      try await queue.write { try $0.execute(sql: "DELETE FROM spool_probe") }
      try await Self.emptyLog(of: queue)
    }
    refusedSize.store(0, ordering: .relaxed)
    health.withLock { $0.recovered(now: clock.wall()) }
  }

  /// Copies the write-ahead log into the database and empties it when bytes that are gone may be in
  /// it.
  public func sweep() async throws(HostBridgeError) {
    guard hasResidue.exchange(false, ordering: .relaxed) else { return }
    do throws(HostBridgeError) {
      try await access(freesBytes: true) { queue in try await Self.emptyLog(of: queue) }
    } catch {
      hasResidue.store(true, ordering: .relaxed)
      throw error
    }
  }

  static func emptyLog(of queue: DatabaseQueue) async throws {
    try await queue.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
  }

  // MARK: - The connection

  var databasePath: String { folder + "/" + Self.databaseName }

  /// The open database. Opens it when it is not, if need be in the room that was put by.
  func connected() throws -> DatabaseQueue {
    try connection.withLock { connection in
      if let connection { return connection }
      let queue: DatabaseQueue
      do {
        queue = try openDatabase()
      } catch {
        guard Self.kind(of: error, in: folder) == .diskFull, reserve.release() else { throw error }
        queue = try openDatabase()
        _ = reserve.make()
      }
      let saved = try queue.read { try Self.savedTime(in: $0) }
      let (wall, uptime) = (clock.wall().timeIntervalSince1970, clock.uptime() / .seconds(1))
      timeline.withLock { timeline in
        if timeline == nil { timeline = SpoolTimeline(saved: saved, wall: wall, uptime: uptime) }
      }
      let held = try queue.read { try Self.bytesHeld(in: $0) }
      health.withLock { $0.holds(held, now: clock.wall()) }
      connection = queue
      return queue
    }
  }

  /// Lets go of the database; the next use opens it again.
  func letGo() { connection.withLock { $0 = nil } }

  /// Takes a failure into the spool's condition.
  @discardableResult
  func note(_ error: any Error) -> SpoolCondition.Kind {
    let kind = Self.kind(of: error, in: folder)
    health.withLock { $0.failed(kind, Self.words(for: kind, error), now: clock.wall()) }
    // Opened anew for the next use: a handle to a disk that failed may never be good again.
    if kind != .diskFull { letGo() }
    return kind
  }

  /// What the caller is told of a failure that ``note(_:)`` has taken into the condition.
  private var failure: HostBridgeError {
    HostBridgeError(
      code: .spoolFailed, message: condition.words,
      remedy: "Look at the free space of the disk with \(folder) and at the rights of that folder.")
  }

  // MARK: - What an error means

  static func kind(of error: any Error, in folder: String) -> SpoolCondition.Kind {
    if let error = error as? DatabaseError {
      switch error.resultCode {
      case .SQLITE_FULL: return .diskFull
      case .SQLITE_READONLY, .SQLITE_PERM: return .readOnly
      // Of every other reason the file system's word counts: a quota, a shared memory file that
      // cannot grow, a disk that went read-only after an error.
      case .SQLITE_IOERR, .SQLITE_CANTOPEN: return kind(ofProbeIn: folder)
      default: return .failing
      }
    }
    if let error = error as? POSIXError { return kind(of: error.code.rawValue) }
    return kind(ofProbeIn: folder)
  }

  /// Writes a page beside the database to see what the disk says.
  private static func kind(ofProbeIn folder: String) -> SpoolCondition.Kind {
    let path = folder + "/probe"
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { return kind(of: errno) }
    defer {
      close(file)
      unlink(path)
    }
    let page = [UInt8](repeating: 0, count: 64 << 10)
    return write(file, page, page.count) == page.count ? .failing : kind(of: errno)
  }

  private static func kind(of code: Int32) -> SpoolCondition.Kind {
    switch code {
    case ENOSPC, EDQUOT: .diskFull
    case EROFS, EACCES, EPERM: .readOnly
    default: .failing
    }
  }

  private static func words(for kind: SpoolCondition.Kind, _ error: any Error) -> String {
    switch kind {
    case .diskFull: "the disk of the spool is full: boards keep their dumps until there is room"
    case .readOnly: "the disk of the spool cannot be written: boards keep their dumps until it can"
    default: "the spool's database failed: \(words(for: error))"
    }
  }

  /// Foundation's errors describe themselves in a sentence only when asked for it.
  static func words(for error: any Error) -> String {
    if isLocked(error) { return "another process uses it" }
    return error is CocoaError ? error.localizedDescription : "\(error)"
  }

  static func isLocked(_ error: any Error) -> Bool {
    (error as? DatabaseError)?.resultCode == .SQLITE_BUSY
  }

  static func size(of path: String) -> Int {
    var info = stat()
    return stat(path, &info) == 0 ? Int(info.st_size) : 0
  }
}
