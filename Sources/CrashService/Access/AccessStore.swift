// Where tokens and bridges' certificates are kept, as hashes.

import Foundation
import SQLStorage
import ServiceAPI

/// The credentials of one service. Several processes may use the same database at once: one that makes or
/// revokes credentials, and services that notice.
public struct AccessStore: Sendable {
  let database: any SQLDatabase

  /// Opens the store of a service that runs or not.
  /// - Parameter storage: where the service keeps its databases.
  /// - Throws: ``ServiceStartFailure``.
  public static func open(in dataFolder: URL, storage: ServiceStorage = .folder) async throws
    -> AccessStore
  {
    if case .folder = storage {
      let file = ManagementStore.file(in: dataFolder)
      guard FileManager.default.fileExists(atPath: file.path) else {
        throw ServiceStartFailure(
          code: .folderNotWritable,
          message: "There is no service's data in the folder \(dataFolder.path)",
          remedy:
            "Name the folder of the service with --data; a service makes it when it starts first")
      }
    }
    do {
      let database = try storage.managementDatabase(in: dataFolder)
      try await ManagementStore.migrations.apply(to: database)
      return AccessStore(database: database)
    } catch let failure as SQLFailure {
      throw ServiceStartFailure(
        code: .storeDamaged, message: storage.failure(failure, dataFolder), remedy: storage.remedy)
    }
  }

  /// Makes the tables, in the management database.
  static func makeTables(_ db: any SQLConnection) throws {
    let (blob, integer, text) = (db.engine.blob, db.engine.integer, db.engine.text)
    try db.script(
      """
      CREATE TABLE credentials (
        kind \(text) NOT NULL,
        id \(text) NOT NULL,
        digest \(blob) NOT NULL,
        label \(text) NOT NULL,
        roles \(text) NOT NULL,
        catalogs \(text),
        createdAt \(integer) NOT NULL,
        expiresAt \(integer),
        revokedAt \(integer),
        PRIMARY KEY (kind, id)
      ) \(db.engine.strict);
      CREATE TABLE credentialChanges (
        id \(integer) NOT NULL PRIMARY KEY,
        count \(integer) NOT NULL
      ) \(db.engine.strict);
      INSERT INTO credentialChanges (id, count) VALUES (1, 0)
      """)
  }

  /// Keeps a new credential.
  public func insert(_ credential: Credential) async throws {
    let catalogs = try credential.catalogs.stored
    try await database.write { db in
      try db.run(
        """
        INSERT INTO credentials
          (kind, id, digest, label, roles, catalogs, createdAt, expiresAt, revokedAt)
        VALUES (\(credential.kind.rawValue), \(credential.id), \(credential.digest),
          \(credential.label), \(credential.roles.stored), \(catalogs),
          \(milliseconds(credential.createdAt)), \(credential.expiresAt.map(milliseconds)),
          \(credential.revokedAt.map(milliseconds)))
        """)
      try countChange(db)
    }
  }

  /// Takes a credential's power for good; a second time does nothing more. False when there is none.
  public func revoke(_ kind: Credential.Kind, _ id: String, at time: Date) async throws -> Bool {
    try await database.write { db in
      let changed = try db.run(
        """
        UPDATE credentials SET revokedAt = COALESCE(revokedAt, \(milliseconds(time)))
        WHERE kind = \(kind.rawValue) AND id = \(id)
        """)
      try countChange(db)
      return changed > 0
    }
  }

  /// All credentials, the oldest first.
  public func all() async throws -> [Credential] {
    try await database.read { try Self.credentials($0) }
  }

  /// The credentials, unless they are those of `known` still.
  /// - Parameter known: how many changes there had been when the caller read them.
  func changed(since known: Int?) async throws -> (credentials: [Credential], count: Int)? {
    try await database.read { db in
      let count: Int = try db.value("SELECT count AS value FROM credentialChanges") ?? 0
      return count == known ? nil : (try Self.credentials(db), count)
    }
  }

  public func close() async throws { try await database.close() }

  private static func credentials(_ db: any SQLConnection) throws -> [Credential] {
    try db.rows("SELECT * FROM credentials ORDER BY createdAt, id").compactMap { row in
      let kind: String = try row["kind"]
      // One that a newer version made opens nothing here.
      guard let kind = Credential.Kind(rawValue: kind) else { return nil }
      var credential = Credential(
        kind, id: try row["id"], digest: try row["digest"], label: try row["label"],
        roles: Set(stored: try row["roles"]), catalogs: try CatalogGrant(stored: row["catalogs"]),
        createdAt: date(milliseconds: try row["createdAt"]))
      credential.expiresAt = try (row["expiresAt"] as Int64?).map(date(milliseconds:))
      credential.revokedAt = try (row["revokedAt"] as Int64?).map(date(milliseconds:))
      return credential
    }
  }
}

private func countChange(_ db: any SQLConnection) throws {
  try db.run("UPDATE credentialChanges SET count = count + 1 WHERE id = 1")
}

extension Set<Role> {
  fileprivate var stored: String { map(\.rawValue).sorted().joined(separator: " ") }

  fileprivate init(stored: String) {
    self.init(stored.split(separator: " ").compactMap { Role(rawValue: String($0)) })
  }
}

extension CatalogGrant {
  /// Names may hold any character, so they are stored as JSON; NULL stands for all.
  fileprivate var stored: String? {
    get throws {
      guard case .only(let catalogs) = self else { return nil }
      let names = catalogs.map { [$0.scope.subscription, $0.scope.resourceGroup, $0.name] }
      return String(decoding: try ServiceJSON.encoder().encode(names), as: UTF8.self)
    }
  }

  fileprivate init(stored: String?) throws {
    guard let stored else {
      self = .all
      return
    }
    let names = try ServiceJSON.decoder().decode([[String]].self, from: Data(stored.utf8))
    self = .only(
      names.filter { $0.count == 3 }.map {
        CatalogReference(
          scope: CatalogScope(subscription: $0[0], resourceGroup: $0[1]), name: $0[2])
      })
  }
}
