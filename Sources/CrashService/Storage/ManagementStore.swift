// Where catalogs, products, device groups, devices and consent are kept.

import Crypto
import Foundation
import SQLStorage
import ServiceAPI

/// The management store. Every write is durable when its call returns.
///
/// Missing parents are reported as ``ServiceFailure`` with 404. Names are compared without regard to the
/// case of ASCII letters and keep the case they were made with. Lists are ordered by name.
final class ManagementStore: Sendable {
  let database: any SQLDatabase
  /// What is done under a consent, and what changes it.
  let gate: ConsentGate
  let secrets: SecretTable
  let now: @Sendable () -> Date
  /// The catalogs' signing keys that were read. One never changes.
  let signingKeys = BoundedCache<String, P256.Signing.PrivateKey>(most: 10_000)

  /// - Parameters:
  ///   - fence: between the processes that use the database; `nil` when there is one.
  ///   - now: the service's clock.
  /// - Throws: ``SecretUnreadable`` when the database belongs to another master key; ``SQLFailure``.
  init(
    database: any SQLDatabase, fence: PostgresFence? = nil, masterKey: MasterKey,
    now: @escaping @Sendable () -> Date
  ) async throws {
    self.database = database
    gate = ConsentGate(fence: fence)
    secrets = SecretTable(masterKey: masterKey, store: "management")
    self.now = now
    try await Self.migrations.apply(to: database)
    _ = try await database.write(lock: Self.lock) { [secrets] db in
      try Self.claimKey(db, secrets)
    }
    try await gate.open()
  }

  /// The database of a service that keeps everything in one folder.
  static func file(in dataFolder: URL) -> URL { dataFolder.appending(path: "martlet.sqlite") }

  /// Writers that look before they write hold this, so that what they saw still holds when they commit.
  static let lock = "management"

  /// Reads, beside anything else.
  func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value)
    async throws -> Value
  {
    try await database.read(body)
  }

  /// Writes while nothing is done under a consent, in any process, so that what was agreed about a device
  /// holds until the dump is in. One write at a time, of all processes.
  /// - Parameter change: with which devices things may stand otherwise afterwards.
  func write<Value: Sendable>(
    changing change: ConsentChange = .all,
    _ body: @escaping @Sendable (_ db: any SQLConnection, _ now: Int64) throws -> Value
  ) async throws -> Value {
    let time = milliseconds(now())
    return try await gate.changing(change) { holdingAlone in
      try await database.write(lock: Self.lock) { db in
        try holdingAlone(db)
        return try body(db, time)
      }
    }
  }

  /// Ends the use of the store.
  func close() async throws {
    await gate.close()
    try await database.close()
  }

  static func newID() -> String { UUID().uuidString.lowercased() }
}

extension Page {
  var sql: SQLText { "LIMIT \(limit) OFFSET \(offset)" }

  /// What goes behind other conditions.
  var condition: SQLText { filter.map { " AND \($0)" } ?? "" }
}

extension String {
  /// As both engines' `lower` makes it of a column of ``SQLEngine/text``: A to Z alone.
  var asciiLowercased: String {
    String(decoding: utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}
