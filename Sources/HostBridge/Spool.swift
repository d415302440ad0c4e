// Dumps on their way: kept durably from the board's release to the service's receipt.

import DumpFormat
import Foundation
import GRDB

/// A folder with a SQLite database of dumps.
///
/// What ``store(_:prologue:bytes:)`` answered `stored` survives kill -9 and power loss (WAL,
/// synchronous=FULL). The bytes are opaque here. A dump that has left keeps a row without its bytes,
/// so that a board that did not hear of it and offers it again is told the truth.
public final class Spool: Sendable {
  /// What becomes of a dump here. The numbers are in the database and stay.
  public enum State: Int, Sendable {
    /// Here, waiting for the service.
    case stored = 0
    /// The service has it; its bytes are gone from here.
    case uploaded = 1
    /// There was no consent for it; its bytes are gone.
    case purged = 2
    /// The service will never take it; kept here with the reason for whoever looks.
    case rejected = 3
    /// The service has enough of its kind; its bytes are gone.
    case skipped = 4
  }

  /// What the spool knows of an offered dump.
  public enum Standing: Equatable, Sendable {
    case unknown
    case known(State)
    /// Another dump with the same identity was here: the device counted backwards.
    case conflict
  }

  /// How an attempt to store ended.
  public enum StoreResult: Sendable {
    /// Durable now, or has been since before.
    case stored
    /// The byte limit would be passed. Nothing was kept.
    case full
    /// Another dump with this identity is or was here. Nothing was kept.
    case conflict
  }

  /// The most bytes of dumps that are kept.
  public let byteLimit: Int

  /// Rows without bytes beyond this many are forgotten, oldest first.
  static let tombstoneLimit = 65_536

  let queue: DatabaseQueue

  /// Opens the spool, and makes it when it is not there.
  ///
  /// - Parameters:
  ///   - folder: made when missing, for this user alone.
  ///   - byteLimit: the most bytes of dumps to keep.
  /// - Throws: ``HostBridgeError`` with code `spoolUnavailable`.
  public init(folder: String, byteLimit: Int = 256 << 20) throws(HostBridgeError) {
    self.byteLimit = byteLimit
    do {
      queue = try Self.open(folder: folder)
    } catch {
      throw HostBridgeError(
        code: .spoolUnavailable,
        message: "cannot open the spool in \(folder): \(Self.words(for: error))",
        remedy: "Name a folder on a local disk that this user may write, with --spool.")
    }
  }

  /// What is known of a dump that a board offers.
  ///
  /// - Parameter prologue: its 128 bytes.
  public func standing(
    of identity: DumpIdentity, prologue: [UInt8]
  ) async throws(HostBridgeError) -> Standing {
    try await access { queue in
      try await queue.read { db in
        guard let row = try Self.row(of: identity, in: db) else { return .unknown }
        guard row["prologue"] == Data(prologue) else { return .conflict }
        return .known(State(rawValue: row["state"]) ?? .rejected)
      }
    }
  }

  /// Keeps a dump durably.
  public func store(
    _ identity: DumpIdentity, prologue: DumpPrologue, bytes: [UInt8]
  ) async throws(HostBridgeError) -> StoreResult {
    let head = Data(bytes.prefix(DumpPrologue.size))
    let fingerprint = prologue.header.fingerprint.hexDigits
    let occurrences = Int64(prologue.header.occurrences)
    let limit = byteLimit
    return try await access { queue in
      try await queue.write { db in
        if let row = try Self.row(of: identity, in: db) {
          return row["prologue"] == head ? .stored : .conflict
        }
        let held =
          try Int.fetchOne(
            db, sql: "SELECT TOTAL(size) FROM dump WHERE state IN (?, ?)",
            arguments: [State.stored.rawValue, State.rejected.rawValue]) ?? 0
        guard held + bytes.count <= limit else { return .full }
        try db.execute(
          sql: """
            INSERT INTO dump (device, boot_count, sequence, state, fingerprint, occurrences, size,
              prologue, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            identity.device, identity.key.bootCount, identity.key.sequence,
            State.stored.rawValue, fingerprint, occurrences, bytes.count, head, Data(bytes),
          ])
        try Self.forgetOldTombstones(in: db)
        return .stored
      }
    }
  }
}

extension Spool {
  /// Foundation's errors describe themselves in a sentence only when asked for it.
  private static func words(for error: any Error) -> String {
    error is CocoaError ? error.localizedDescription : "\(error)"
  }

  static func row(of identity: DumpIdentity, in db: Database) throws -> Row? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT state, prologue FROM dump WHERE device = ? AND boot_count = ? AND sequence = ?
        """,
      arguments: [identity.device, identity.key.bootCount, identity.key.sequence])
  }

  private static func forgetOldTombstones(in db: Database) throws {
    try db.execute(
      sql: """
        DELETE FROM dump WHERE bytes IS NULL AND id <= (
          SELECT id FROM dump WHERE bytes IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?)
        """,
      arguments: [tombstoneLimit])
  }

  /// Every use of the database goes through here: its errors become the bridge's.
  func access<Result: Sendable>(
    _ body: @Sendable (DatabaseQueue) async throws -> Result
  ) async throws(HostBridgeError) -> Result {
    do {
      return try await body(queue)
    } catch {
      throw HostBridgeError(
        code: .spoolFailed, message: "the spool's database failed: \(error)",
        remedy: "Look at the free space of its disk and at the rights of its folder.")
    }
  }
}
