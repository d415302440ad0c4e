// Dumps on their way: kept durably from the board's release to the service's receipt.

import DumpFormat
import Foundation
import GRDB
import Synchronization

/// A folder with a SQLite database of dumps.
///
/// What ``store(_:prologue:bytes:)`` answered `stored` survives kill -9 and power loss (WAL,
/// synchronous=FULL). The bytes are opaque here. A dump that has left keeps a row without its bytes,
/// so that a board that did not hear of it and offers it again is told the truth.
///
/// The spool is bounded in bytes and in age (``SpoolLimits``). A full one gives up dumps by the rule of
/// the board's ring (docs/formats/ring.md) to take new ones; a full or read-only disk makes it take
/// nothing, for as long as that lasts (``SpoolCondition``). One process at a time uses a spool.
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
    /// Given up for a newer dump; its bytes are gone. A board that still has it may bring it again.
    case evicted = 5
    /// It was here for as long as anything may be; its bytes are gone.
    case expired = 6
  }

  /// What the spool knows of an offered dump.
  public enum Standing: Equatable, Sendable {
    /// Not here; it may come.
    case unknown
    case known(State)
    /// Another dump with the same identity was here: the device counted backwards.
    case conflict
  }

  /// How an attempt to store ended.
  public enum StoreResult: Sendable {
    /// Durable now, or has been since before.
    case stored
    /// There is no room, and nothing here that would be given up before this dump. Nothing was kept.
    case full
    /// Another dump with this identity is or was here. Nothing was kept.
    case conflict
  }

  /// Rows without bytes beyond this many are forgotten, oldest first.
  static let tombstoneLimit = 65_536

  let folder: String
  let limits: SpoolLimits
  let clock: SpoolClock
  let events: BridgeEventSink
  let reserve: SpoolReserve
  /// `nil` while the database cannot be opened, and between a failure and the next use.
  let connection = Mutex<DatabaseQueue?>(nil)
  let health: Mutex<SpoolHealth>
  let timeline = Mutex<SpoolTimeline?>(nil)
  /// Bytes that are gone may still be found in the write-ahead log.
  let hasResidue = Atomic(true)
  /// Bytes of the largest dump that the disk did not take since it last took one.
  let refusedSize = Atomic(0)

  /// The most bytes of dumps that are kept.
  public var byteLimit: Int { limits.bytes }

  /// How the spool is.
  public var condition: SpoolCondition { health.withLock { $0.condition } }

  /// Opens the spool, and makes it when it is not there. A spool that was there before and whose disk
  /// is full or read-only now counts as opened: it takes nothing until its disk is well again.
  ///
  /// - Parameters:
  ///   - folder: made when missing, for this user alone.
  ///   - events: is told of dumps that are given up or grow too old.
  /// - Throws: ``HostBridgeError`` with code `spoolUnavailable`.
  public init(
    folder: String, limits: SpoolLimits = SpoolLimits(), clock: SpoolClock = .system,
    events: @escaping BridgeEventSink = { _ in }
  ) throws(HostBridgeError) {
    self.folder = folder
    self.limits = limits
    self.clock = clock
    self.events = events
    reserve = SpoolReserve(
      path: folder + "/reserve", size: min(max(limits.bytes / 8, 256 << 10), 4 << 20))
    health = Mutex(SpoolHealth(limit: limits.bytes, now: clock.wall()))
    let wasThere = FileManager.default.fileExists(atPath: folder + "/" + Self.databaseName)
    do {
      _ = try connected()
    } catch {
      let kind = note(error)
      guard wasThere, kind == .diskFull || kind == .readOnly else {
        throw HostBridgeError(
          code: .spoolUnavailable,
          message: "cannot open the spool in \(folder): \(Self.words(for: error))",
          remedy: Self.isLocked(error)
            ? "Stop the other bridge, or name another folder with --spool."
            : "Name a folder on a local disk that this user may write, with --spool.")
      }
    }
  }

  /// What is known of a dump that a board offers.
  ///
  /// - Parameters:
  ///   - prologue: its 128 bytes.
  ///   - size: bytes of the whole dump, as far as it is known.
  public func standing(
    of identity: DumpIdentity, prologue: [UInt8], size: Int = 0
  ) async throws(HostBridgeError) -> Standing {
    let limit = byteLimit
    let standing: Standing = try await access { queue in
      try await queue.read { db in
        guard let row = try Self.row(of: identity, in: db) else { return .unknown }
        guard Self.isRow(row, of: Data(prologue)) else { return .conflict }
        let state = State(rawValue: row["state"]) ?? .rejected
        // The board still has it: it may come back when nothing has to go for it.
        if state == .evicted, try Self.bytesHeld(in: db) + size <= limit { return .unknown }
        return .known(state)
      }
    }
    // Not over a slow line first, to find then that the disk does not take it.
    if standing == .unknown, condition.isTrouble { try await makeSureOfDisk(size: size) }
    return standing
  }

  /// Keeps a dump durably, in place of others if need be.
  public func store(
    _ identity: DumpIdentity, prologue: DumpPrologue, bytes: [UInt8]
  ) async throws(HostBridgeError) -> StoreResult {
    let dump = NewDump(identity: identity, header: prologue.header, bytes: bytes, now: clock.wall())
    do throws(HostBridgeError) {
      try await holdReserve()
      return await finish(try await attempt(dump))
    } catch {
      refusedSize.max(bytes.count, ordering: .relaxed)
      throw error
    }
  }

  private func attempt(_ dump: NewDump) async throws(HostBridgeError) -> StoreOutcome {
    let limits = limits
    let time = now()
    let saved = timeline.withLock { $0?.saved }
    return try await access { queue in
      do {
        return try await queue.write { db in
          try saved.map { try Self.save($0, in: db) }
          return try Self.store(dump, at: time, limits, in: db)
        }
      } catch is NoRoom {
        return StoreOutcome(result: .full)
      }
    }
  }

  /// What a store did beside its result.
  struct StoreOutcome: Sendable {
    var result: StoreResult
    var evicted: [RemovedDump] = []
    var held: Int?
  }

  private func finish(_ outcome: StoreOutcome) async -> StoreResult {
    let now = clock.wall()
    health.withLock { health in
      if outcome.held != nil { health.recovered(now: now) }
      if let held = outcome.held { health.holds(held, now: now) }
      if case .full = outcome.result { health.metLimit(now: now) }
      if !outcome.evicted.isEmpty { health.metLimit(now: now) }
    }
    tell(.dumpEvicted, outcome.evicted)
    if !outcome.evicted.isEmpty {
      hasResidue.store(true, ordering: .relaxed)
      // The dump is durable whatever becomes of this; what stays is swept later.
      try? await sweep()
    }
    return outcome.result
  }
}
