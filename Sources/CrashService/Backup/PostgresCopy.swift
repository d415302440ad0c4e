// Copies of PostgreSQL databases, made and read by PostgreSQL's own programs.

import Foundation
import SQLStorage
import Subprocess

/// A database of a service, as far as backups go. Its tables are those of one schema, the first of the
/// connection's search path.
struct PostgresCopy: Sendable {
  private let target: PostgresTarget
  private let database: PostgresDatabase

  /// - Throws: ``SQLFailure`` for what is no connection string.
  init(_ target: String, options: PostgresOptions) throws {
    self.target = try PostgresTarget(target)
    database = PostgresDatabase(target, options: options)
  }

  func close() async throws { try await database.close() }

  // MARK: - Backing up

  /// Writes the database as it is at one moment. Others may use it meanwhile.
  /// - Returns: the schema with its tables.
  /// - Throws: ``BackupFailure``, ``SQLFailure``.
  func write(to file: URL) async throws -> String {
    let (schema, tables) = try await look()
    guard tables.contains("migrations") else {
      throw BackupFailure(
        .sourceMissing, "There is no service's data in the database of \(file.lastPathComponent)",
        remedy: "Name the service's databases as when it runs; it makes its tables when it starts")
    }
    try await run(
      "pg_dump",
      [
        // Which processes there are now is nothing to come back.
        "--format=custom", "--schema=\(Self.pattern(schema))",
        "--exclude-table-data=*.fenceholders", "--lock-wait-timeout=10s", "--file=\(file.path)",
      ])
    return schema
  }

  // MARK: - Restoring

  /// Checks that nothing is there yet.
  /// - Parameter schema: where the tables were; `nil` when any will do.
  /// - Throws: ``BackupFailure``, ``SQLFailure``.
  func expectEmpty(schema expected: String?, for name: String) async throws {
    let (schema, tables) = try await look()
    guard tables.isEmpty else {
      throw BackupFailure(
        .targetNotEmpty, "The database for \(name) has tables already, such as \(tables[0])",
        remedy: "Name databases that are empty: nothing is ever overwritten")
    }
    guard expected == nil || expected == schema else {
      throw BackupFailure(
        .notWritable,
        "The tables of \(name) were in the schema \(expected ?? ""), and here they would be in \(schema)",
        remedy: "Make that schema, and set search_path to it in the connection string")
    }
  }

  /// Takes all tables of a copy, or none.
  /// - Throws: ``BackupFailure``.
  func read(_ file: URL, schema: String) async throws {
    try await run(
      "pg_restore", ["--single-transaction", "--schema=\(schema)", file.path])
  }

  /// Removes all tables of a database that was empty before.
  func clear() async throws {
    let (_, tables) = try await look()
    guard !tables.isEmpty else { return }
    let names = tables.map { "\"\($0)\"" }.joined(separator: ", ")
    try await database.write { try $0.script(SQLText(raw: "DROP TABLE \(names) CASCADE")) }
  }

  // MARK: - Parts

  private func look() async throws -> (schema: String, tables: [String]) {
    try await database.read { db in
      let schema: String? = try db.value("SELECT current_schema()::text AS value")
      let tables = try db.rows(
        """
        SELECT tablename::text AS name FROM pg_catalog.pg_tables
        WHERE schemaname = current_schema() ORDER BY tablename
        """
      ).map { try $0["name"] as String }
      guard let schema else {
        throw SQLFailure(code: .refused, message: "the search path leads to no schema")
      }
      return (schema, tables)
    }
  }

  private func run(_ program: String, _ arguments: [String]) async throws {
    let variables = Dictionary(
      uniqueKeysWithValues: target.secrets.map {
        (Environment.Key(stringLiteral: $0.key), $0.value)
      })
    let shared = ["--no-owner", "--no-privileges", "--no-password", "--dbname=\(target.words)"]
    let words: String
    do {
      let result = try await Subprocess.run(
        .name(program), arguments: Arguments(shared + arguments),
        environment: .inherit.updating(variables.mapValues { Optional($0) }), output: .discarded,
        error: .string(limit: 1 << 16))
      if result.terminationStatus.isSuccess { return }
      words = result.standardError
    } catch {
      throw BackupFailure(
        .notWritable, "\(program) cannot be run: \(error)",
        remedy: "Install PostgreSQL's client programs, of the server's version or a newer one")
    }
    throw BackupFailure(
      .notWritable, "\(program) failed: \(words.trimmingCharacters(in: .whitespacesAndNewlines))",
      remedy: "Check the disk, the server, and that \(program) is not older than the server")
  }

  /// pg_dump takes patterns; in double quotes nothing but these means anything.
  private static func pattern(_ schema: String) -> String {
    "\"" + schema.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
