// What a server does to its callers when it goes away, hangs or has too much to do.

import Foundation
import MartletTestKit
import SQLStorage
import Testing

@Suite struct PostgresTests {
  /// Runs `body` with a server that it may stop.
  private func withServer(
    _ change: @Sendable (inout PostgresOptions) -> Void = { _ in },
    _ body: @Sendable (PostgresServer, PostgresDatabase) async throws -> Void
  ) async throws {
    let server = try await PostgresServer.make()
    var options = PostgresOptions()
    change(&options)
    let database = PostgresDatabase(
      server.url(try await server.makeDatabase()), options: options)
    try await database.write {
      try $0.script("CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY)")
    }
    try await body(server, database)
    try await database.close()
    try await onThread { server.stop(.fast) }
  }

  private func code(_ work: () async throws -> Void) async -> SQLFailure.Code? {
    do {
      try await work()
      return nil
    } catch {
      return (error as? SQLFailure)?.code
    }
  }

  private static func ids(_ database: PostgresDatabase) async throws -> [Int] {
    try await database.rows("SELECT id FROM things ORDER BY id").map { try $0["id"] as Int }
  }

  @Test(arguments: [PostgresServer.Stop.fast, .kill])
  func `while the server is away it is unavailable, and afterwards it works by itself`(
    how: PostgresServer.Stop
  ) async throws {
    try await withServer { server, database in
      // Several connections, so that more than one is dead afterwards.
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for id in 0..<8 {
          tasks.addTask {
            try await database.write { db in
              try db.run("INSERT INTO things VALUES (\(id))")
              _ = try db.rows("SELECT pg_sleep(0.05)")
            }
          }
        }
        try await tasks.waitForAll()
      }
      try await onThread { server.stop(how) }
      let read = await code { _ = try await Self.ids(database) }
      #expect(read == .unavailable)
      let written = await code {
        try await database.write { _ = try $0.run("INSERT INTO things VALUES (100)") }
      }
      #expect(written == .unavailable)
      try await onThread { try server.start() }
      #expect(try await Self.ids(database) == Array(0..<8))
      try await database.write { try $0.run("INSERT INTO things VALUES (100)") }
      #expect(try await Self.ids(database).last == 100)
      // Away and back between two calls: nobody notices.
      try await onThread {
        server.stop(how)
        try server.start()
      }
      try await database.write { try $0.run("INSERT INTO things VALUES (101)") }
      #expect(try await Self.ids(database).last == 101)
    }
  }

  @Test func `what was acknowledged is there after the server was killed under load`() async throws
  {
    try await withServer { server, database in
      let acknowledged = Acknowledged()
      async let killed: Void = onThread {
        acknowledged.wait(for: 100)
        server.stop(.kill)
      }
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<8 {
          tasks.addTask {
            for number in 0... {
              let id = worker * 1_000_000 + number
              do {
                try await database.write { try $0.run("INSERT INTO things VALUES (\(id))") }
                acknowledged.add(id)
              } catch {
                return
              }
            }
          }
        }
      }
      try await killed
      try await onThread { try server.start() }
      let stored = Set(try await Self.ids(database))
      #expect(acknowledged.ids.count >= 100)
      #expect(acknowledged.ids.allSatisfy { stored.contains($0) })
      // One more for each worker at most: those whose commit was on its way.
      #expect(stored.count <= acknowledged.ids.count + 8)
    }
  }

  @Test func `a server that hangs is given up, and used again when it goes on`() async throws {
    try await withServer { options in
      options.statementTimeout = .milliseconds(200)
      options.answerGrace = .milliseconds(100)
      options.connectTimeout = .seconds(2)
    } _: { server, database in
      #expect(try await Self.ids(database) == [])
      try server.freeze(true)
      let failure = await code { _ = try await Self.ids(database) }
      #expect(failure == .unavailable)
      try server.freeze(false)
      #expect(try await Self.ids(database) == [])
    }
  }

  @Test func `a statement and a lock that take too long end as busy`() async throws {
    try await withServer { options in
      options.statementTimeout = .milliseconds(150)
      options.lockTimeout = .milliseconds(50)
    } _: { _, database in
      let slow = await code { _ = try await database.rows("SELECT pg_sleep(60)::text AS value") }
      #expect(slow == .busy)
      let gate = DispatchSemaphore(value: 0)
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      async let holding: Void = database.write(lock: "one") { db in
        defer { begin.finish() }
        try db.run("INSERT INTO things VALUES (1)")
        begin.finish()
        gate.wait()
      }
      for await _ in begun {}
      let locked = await code {
        try await database.write(lock: "one") { _ = try $0.run("INSERT INTO things VALUES (2)") }
      }
      #expect(locked == .busy)
      let other = await code {
        try await database.write(lock: "two") { _ = try $0.run("INSERT INTO things VALUES (3)") }
      }
      #expect(other == nil)
      gate.signal()
      try await holding
      #expect(try await Self.ids(database) == [1, 3])
    }
  }

  @Test func `a full pool refuses who waits too long and who comes when too many wait`()
    async throws
  {
    try await withServer { options in
      options.connections = 1
      options.mostWaiting = 1
      options.acquireTimeout = .seconds(3)
    } _: { _, database in
      let gate = DispatchSemaphore(value: 0)
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      async let holding: Void = database.write { _ in
        begin.finish()
        gate.wait()
      }
      for await _ in begun {}
      async let waiting = code { _ = try await Self.ids(database) }
      while database.waitingCount == 0 { await Task.yield() }
      let refused = await code { _ = try await Self.ids(database) }
      #expect(refused == .busy)
      #expect(await waiting == .busy)
      let cancelled = Task { try await Self.ids(database) }
      while database.waitingCount == 0 { await Task.yield() }
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      gate.signal()
      try await holding
      #expect(try await Self.ids(database) == [])
    }
  }

  @Test func `a turn is free again as soon as it was given back`() async throws {
    try await withServer { _, database in
      for number in 0..<50 {
        let value = try await database.holding(turn: "sweep") { number }
        #expect(value == number)
      }
    }
  }

  @Test func `transactions that end each other are run again`() async throws {
    try await withServer { _, database in
      try await database.write { db in
        try db.run("INSERT INTO things VALUES (1)")
        try db.run("INSERT INTO things VALUES (2)")
      }
      // Each takes one row and then the other's: a deadlock, which the server ends after a second.
      let both = Meeting()
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for (first, second) in [(1, 2), (2, 1)] {
          tasks.addTask {
            try await database.write { db in
              try db.run("UPDATE things SET id = id WHERE id = \(first)")
              both.arrive()
              try db.run("UPDATE things SET id = id WHERE id = \(second)")
            }
          }
        }
        try await tasks.waitForAll()
      }
      #expect(both.arrivals >= 3)
    }
  }

  @Test func `a target that is none, or not there, is unavailable and says why`() async throws {
    for target in ["postgresql://127.0.0.1:1/none", "host=/nowhere dbname=x", "nonsense=1"] {
      let failure = await #expect(throws: SQLFailure.self) {
        _ = try await PostgresDatabase(target).rows("SELECT 1 AS value")
      }
      #expect(failure?.code == .unavailable)
      #expect(failure?.message.isEmpty == false)
    }
  }

  @Test func `a password is asked for on the network and never told`() async throws {
    let server = try await PostgresServer.shared()
    let name = try await server.makeDatabase()
    let database = PostgresDatabase(server.networkURL(name))
    #expect(try await database.rows("SELECT 1 AS value").count == 1)
    try await database.close()
    let wrong = server.networkURL(name).replacing("martlet:", with: "martlet:wrong-secret")
    let failure = await #expect(throws: SQLFailure.self) {
      _ = try await PostgresDatabase(wrong).rows("SELECT 1 AS value")
    }
    #expect(failure?.code == .unavailable)
    #expect(failure?.message.contains("wrong-secret") == false)
    // This server has no certificate: what asks for TLS gets no connection without.
    let tls = await #expect(throws: SQLFailure.self) {
      let target = server.networkURL(name) + "?sslmode=require"
      _ = try await PostgresDatabase(target).rows("SELECT 1 AS value")
    }
    #expect(tls?.message.contains("SSL") == true)
  }
}

/// What was acknowledged, from several tasks.
private final class Acknowledged: @unchecked Sendable {
  private let condition = NSCondition()
  private var all: [Int] = []

  var ids: [Int] { condition.withLock { all } }

  func add(_ id: Int) {
    condition.withLock {
      all.append(id)
      condition.broadcast()
    }
  }

  func wait(for count: Int) { condition.withLock { while all.count < count { condition.wait() } } }
}

/// Holds the first two that arrive until both are there; later ones pass.
private final class Meeting: @unchecked Sendable {
  private let condition = NSCondition()
  private var count = 0

  var arrivals: Int { condition.withLock { count } }

  func arrive() {
    condition.lock()
    defer { condition.unlock() }
    count += 1
    condition.broadcast()
    while count < 2 { condition.wait() }
  }
}
