// The raw limit of PostgreSQL: what a libpq loop that does nothing else commits.

import CLibPQ
import Foundation
import Synchronization

/// Inserts 20 KiB blobs over libpq: as many producers as the service has clients, each with a connection of
/// its own, a prepared statement, and a commit for every blob.
///
/// That is the loop somebody would write who wants the most of PostgreSQL without a batch of his own: the
/// server flushes the log once for all commits that wait at that moment, so the producers batch as those of
/// ``RawSQLite`` do. `fsync` and `synchronous_commit` are on, and the server is the one that the service
/// uses.
struct RawPostgres: Sendable {
  var producers = 16
  var size = 20 * 1024
  var seconds = 4.0

  private struct Count {
    var stored = 0
    var problem: String?
  }

  /// Blobs a second.
  /// - Parameter url: of an empty database.
  func rate(on url: String) throws -> Double {
    let setup = try RawConnection(url)
    try setup.run("CREATE TABLE blobs (id BIGSERIAL PRIMARY KEY, content BYTEA NOT NULL)")
    let settings = try setup.value(
      "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')")
    guard settings == "on on" else {
      throw LoadFailure("fsync and synchronous_commit are \(settings), and have to be on")
    }
    let connections = try (0..<producers).map { _ in
      let connection = try RawConnection(url)
      try connection.prepareInsert()
      return connection
    }
    var generator = SystemRandomNumberGenerator()
    let blob = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let count = Mutex(Count())
    let start = nanoseconds()
    let end = start + UInt64(seconds * 1e9)
    let group = DispatchGroup()
    for connection in connections {
      group.enter()
      Thread.detachNewThread {
        let result = Self.insert(blob, over: connection, until: end)
        count.withLock {
          $0.stored += result.stored
          $0.problem = $0.problem ?? result.problem
        }
        group.leave()
      }
    }
    group.wait()
    let elapsed = Double(nanoseconds() - start) / 1e9
    let result = count.withLock { $0 }
    if let problem = result.problem { throw LoadFailure(problem) }
    return Double(result.stored) / elapsed
  }

  private static func insert(_ blob: [UInt8], over connection: RawConnection, until end: UInt64)
    -> Count
  {
    var count = Count()
    while count.problem == nil, nanoseconds() < end {
      do {
        try connection.insert(blob)
        count.stored += 1
      } catch {
        count.problem = "\(error)"
      }
    }
    return count
  }
}

/// A blocking connection of libpq. One thread uses it at a time.
final class RawConnection: @unchecked Sendable {
  private static let statement = "blob"
  private let connection: OpaquePointer

  init(_ url: String) throws(LoadFailure) {
    guard let connection = PQconnectdb(url) else { throw LoadFailure("libpq has no memory") }
    self.connection = connection
    guard PQstatus(connection) == CONNECTION_OK else { throw failure }
  }

  deinit { PQfinish(connection) }

  private var failure: LoadFailure {
    LoadFailure("PostgreSQL: \(String(cString: PQerrorMessage(connection)))")
  }

  func run(_ text: String) throws(LoadFailure) { try check(PQexec(connection, text)) }

  /// The first column of the first row.
  func value(_ text: String) throws(LoadFailure) -> String {
    let result = PQexec(connection, text)
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_TUPLES_OK, PQntuples(result) > 0 else { throw failure }
    return String(cString: PQgetvalue(result, 0, 0))
  }

  func prepareInsert() throws(LoadFailure) {
    try check(
      PQprepare(
        connection, Self.statement, "INSERT INTO blobs (content) VALUES ($1)", 1, nil))
  }

  /// Inserts a blob and waits until it is committed.
  func insert(_ blob: [UInt8]) throws(LoadFailure) {
    let result = blob.withUnsafeBytes { bytes in
      let value: UnsafePointer<CChar>? = bytes.bindMemory(to: CChar.self).baseAddress
      return PQexecPrepared(
        connection, Self.statement, 1, [value], [Int32(blob.count)], [1], 0)
    }
    try check(result)
  }

  private func check(_ result: OpaquePointer?) throws(LoadFailure) {
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw failure }
  }
}
