// Consent that ended: what goes, and what little is left of it.

import Crypto
import DumpFormat
import Foundation
import GRDB

/// Dumps that a purge took away.
public struct PurgedDumps: Equatable, Sendable {
  public var keys: [DumpKey] = []
  /// Bytes of all of them.
  public var bytes = 0

  /// Keys that are named in a line of the log.
  private static let mostNamed = 256

  /// One line for the log, as the proof of the purge.
  ///
  /// - Parameter epoch: the one that the service named.
  func words(device: String, epoch: UInt32) -> String {
    let named = keys.prefix(Self.mostNamed).map(\.text).joined(separator: ", ")
    let rest = keys.count > Self.mostNamed ? " and \(keys.count - Self.mostNamed) more" : ""
    return "device \(device.prefix(12)): consent revoked (epoch \(epoch)): purged"
      + " \(Words.count(keys.count, "spooled dump")), \(bytes) bytes: \(named)\(rest)"
  }
}

/// The devices of which bytes are held at one moment.
public struct SpoolHoldings: Equatable, Sendable {
  /// 128 hex digits each, in order.
  public var devices: [String]
  /// Row of the newest dump at that moment.
  var newest: Int64
}

extension Spool {
  /// The devices of which bytes are held in any state, those kept aside included.
  public func holdings() async throws(HostBridgeError) -> SpoolHoldings {
    try await access { queue in
      try await queue.read { db in
        SpoolHoldings(
          devices: try String.fetchAll(
            db, sql: "SELECT DISTINCT device FROM dump WHERE \(Self.isHeld) ORDER BY device"),
          newest: try Int64.fetchOne(db, sql: "SELECT max(id) FROM dump") ?? 0)
      }
    }
  }

  /// Deletes the bytes of dumps held of a device whose consent ended, rejected ones included. What is
  /// left of each is its name and a digest, so that a board that offers it again hears that nobody
  /// wants it.
  ///
  /// - Parameters:
  ///   - epoch: the consent that holds: dumps of it stay. `nil`: none does; the device's crash counts
  ///     go as well.
  ///   - holdings: what was held when the service was asked: a dump that came since may be of a newer
  ///     consent than the answer. `nil`: the answer is about all that is here.
  @discardableResult
  public func purge(
    device: String, exceptEpoch epoch: UInt32? = nil, of holdings: SpoolHoldings? = nil
  ) async throws(HostBridgeError) -> PurgedDumps {
    let newest = holdings?.newest ?? .max
    let find: @Sendable (Database) throws -> [Row] = { db in
      try Self.rows(of: device, exceptEpoch: epoch, upTo: newest, in: db)
    }
    let isDue = try await access { queue in
      try await queue.read { db in
        try !find(db).isEmpty || epoch == nil && Self.hasCounts(of: device, in: db)
      }
    }
    var purged = PurgedDumps()
    if isDue {
      let held: Int
      (purged, held) = try await access(freesBytes: true) { queue in
        try await queue.write { db in
          let rows = try find(db)
          for row in rows { try Self.erase(row, in: db) }
          if epoch == nil { _ = try Self.forgetCounts(of: device, in: db) }
          return (PurgedDumps(rows), try Self.bytesHeld(in: db))
        }
      }
      health.withLock { $0.holds(held, now: clock.wall()) }
      hasResidue.store(true, ordering: .relaxed)
    }
    // Also what an earlier purge could not finish.
    try await sweep()
    return purged
  }

  private static func rows(
    of device: String, exceptEpoch epoch: UInt32?, upTo newest: Int64, in db: Database
  ) throws -> [Row] {
    let ofDevice = "device = ? AND id <= ? AND \(isHeld)"
    let columns = "id, boot_count, sequence, size, prologue"
    guard let epoch else {
      return try Row.fetchAll(
        db, sql: "SELECT \(columns) FROM dump WHERE \(ofDevice)", arguments: [device, newest])
    }
    return try Row.fetchAll(
      db,
      sql: """
        SELECT \(columns) FROM dump WHERE \(ofDevice)
          AND substr(prologue, \(PrologueLayout.consentEpoch + 1), 4) <> ?
        """,
      arguments: [device, newest, withUnsafeBytes(of: epoch.littleEndian) { Data($0) }])
  }

  /// Leaves a purged dump's name and a digest of its prologue.
  ///
  /// - Parameter row: its id and prologue.
  static func erase(_ row: Row, in db: Database) throws {
    let prologue: Data = row["prologue"]
    let id: Int64 = row["id"]
    try db.execute(
      sql: """
        UPDATE dump SET state = ?, prologue = ?, fingerprint = '', note = NULL, bytes = NULL
        WHERE id = ?
        """,
      arguments: [State.purged.rawValue, digest(prologue), id])
  }

  /// Whether a row is of the dump that has this prologue.
  static func isRow(_ row: Row, of prologue: Data) -> Bool {
    let kept: Data = row["prologue"]
    return kept == prologue || kept == digest(prologue)
  }

  private static func digest(_ prologue: Data) -> Data { Data(SHA256.hash(data: prologue)) }

  private static func hasCounts(of device: String, in db: Database) throws -> Bool {
    try Bool.fetchOne(
      db, sql: "SELECT EXISTS (SELECT 1 FROM crash_count WHERE device = ?)", arguments: [device])
      ?? false
  }
}

extension PurgedDumps {
  /// - Parameter rows: boot_count, sequence and size of each.
  init(_ rows: [Row]) {
    for row in rows {
      keys.append(DumpKey(bootCount: row["boot_count"], sequence: row["sequence"]))
      bytes += row["size"] as Int
    }
  }
}
