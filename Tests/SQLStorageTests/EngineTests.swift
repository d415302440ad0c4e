// What both engines do alike.

import Foundation
import MartletTestKit
import SQLStorage
import Testing

@Suite struct EngineTests {
  private static func makeTable(_ database: any SQLDatabase) async throws {
    try await database.write { db in
      try db.script(
        """
        CREATE TABLE things (
          id \(db.engine.integer) NOT NULL PRIMARY KEY,
          name \(db.engine.text),
          content \(db.engine.blob)
        ) \(db.engine.strict)
        """)
    }
  }

  private static func count(_ database: any SQLDatabase) async throws -> Int {
    try await database.read { try $0.value("SELECT count(*) AS value FROM things") ?? -1 }
  }

  @Test(arguments: TestEngine.allCases)
  func `values come back as they were bound`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let large = Data((0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
      let values: [(Int64, String?, Data?)] = [
        (0, nil, nil), (1, "", Data()), (.max, "é\u{1F980} \"'$1;--", Data([0, 1, 255])),
        (.min, String(repeating: "ü", count: 10_000), large), (-1, "%_\\", Data([0])),
      ]
      for (id, name, content) in values {
        let changed = try await database.write { db in
          try db.run("INSERT INTO things VALUES (\(id), \(name), \(content))")
        }
        #expect(changed == 1)
      }
      for (id, name, content) in values {
        let rows = try await database.rows("SELECT * FROM things WHERE id = \(id)")
        let row = try #require(rows.first)
        #expect(try row["ID"] == id)
        #expect(try row["name"] == name)
        #expect(try row["content"] == content)
      }
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `numbers of every kind that SQL makes are numbers`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      try await database.write { db in
        for id in [Int64(1) << 61, 20_000, 30_000, -1] {
          try db.run("INSERT INTO things (id) VALUES (\(id))")
        }
      }
      try await database.read { db in
        let sum: Int64? = try db.value("SELECT sum(id) AS value FROM things")
        #expect(sum == 2_305_843_009_213_743_951)
        let none: Int64? = try db.value("SELECT sum(id) AS value FROM things WHERE id = 7")
        #expect(none == nil)
        let round: Int64? = try db.value("SELECT sum(id) AS value FROM things WHERE id = 20000")
        #expect(round == 20_000)
        let negative: Int64? = try db.value("SELECT sum(id) AS value FROM things WHERE id < 0")
        #expect(negative == -1)
        let small: Int? = try db.value("SELECT 7 AS value")
        #expect(small == 7)
        let isSo: Bool? = try db.value("SELECT \(3) > \(2) AS value")
        #expect(isSo == true)
      }
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `text is ordered by its bytes and lower changes A to Z alone`(engine: TestEngine)
    async throws
  {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let names = ["b", "B", "a", "Ä", "ä", "_", "Z", "a b", "ab"]
      try await database.write { db in
        for (id, name) in names.enumerated() {
          try db.run("INSERT INTO things (id, name) VALUES (\(id), \(name))")
        }
      }
      try await database.read { db in
        let sorted = try db.rows("SELECT name FROM things ORDER BY name").map {
          try $0["name"] as String
        }
        #expect(sorted == ["B", "Z", "_", "a", "a b", "ab", "b", "Ä", "ä"])
        let lower = try db.rows("SELECT lower(name) AS name FROM things ORDER BY id").map {
          try $0["name"] as String
        }
        #expect(lower == ["b", "b", "a", "Ä", "ä", "_", "z", "a b", "ab"])
      }
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a transaction whose body throws leaves nothing`(engine: TestEngine) async throws {
    struct Stop: Error {}
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      await #expect(throws: Stop.self) {
        try await database.write { db in
          try db.run("INSERT INTO things (id) VALUES (1)")
          throw Stop()
        }
      }
      #expect(try await Self.count(database) == 0)
      // Nor one that went on after a statement had failed.
      _ = try? await database.write { db in
        try db.run("INSERT INTO things (id) VALUES (1)")
        _ = try? db.run("INSERT INTO things (id) VALUES (1)")
        // SQLite would go on.
        if db.engine == .sqlite { throw Stop() }
      }
      #expect(try await Self.count(database) == 0)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a rule of the schema that is broken is told as that, without the value`(engine: TestEngine)
    async throws
  {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      try await database.write { try $0.run("INSERT INTO things (id) VALUES (4711)") }
      let failure = await #expect(throws: SQLFailure.self) {
        try await database.write { try $0.run("INSERT INTO things (id) VALUES (\(4711))") }
      }
      #expect(failure?.code == .constraint)
      #expect(failure?.message.contains("4711") == false)
      let refused = await #expect(throws: SQLFailure.self) {
        try await database.read { _ = try $0.rows("SELECT nothing FROM things") }
      }
      #expect(refused?.code == .refused)
      let unstorable = await #expect(throws: SQLFailure.self) {
        try await database.rows("SELECT \("a\0") AS value")
      }
      #expect(unstorable?.code == .unstorableText)
      // All of it left the connections in order.
      #expect(try await Self.count(database) == 1)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a value of another type than the column's is refused`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      await #expect(throws: SQLFailure.self) {
        try await database.write { try $0.run("INSERT INTO things (id) VALUES (\("x"))") }
      }
      try await database.write { try $0.run("INSERT INTO things (id, name) VALUES (1, 'x')") }
      let failure = await #expect(throws: SQLFailure.self) {
        try await database.read { db in
          _ = try db.value("SELECT name AS value FROM things", as: Int.self)
        }
      }
      #expect(failure?.code == .unexpectedValue)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `many statements at once each tell what they changed`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let content = Data(repeating: 7, count: 200_000)
      let counts = try await database.write { db in
        try db.runAll(
          (0..<64).map {
            "INSERT INTO things VALUES (\($0 / 2), \("x"), \(content)) ON CONFLICT DO NOTHING"
          })
      }
      #expect(counts == (0..<64).map { $0.isMultiple(of: 2) ? 1 : 0 })
      #expect(try await database.write { try $0.runAll([]) } == [])
      let deleted = try await database.write {
        try $0.runAll(["DELETE FROM things WHERE id < 10", "UPDATE things SET name = NULL"])
      }
      #expect(deleted == [10, 22])
      await #expect(throws: SQLFailure.self) {
        try await database.write { db in
          try db.runAll(["DELETE FROM things", "INSERT INTO things VALUES (1, 2, 3, 4)"])
        }
      }
      #expect(try await Self.count(database) == 22)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `rows that are stored together are all there, and those that were there before are told`(
    engine: TestEngine
  ) async throws {
    let insert = SQLInsert(
      into: "things", ["id", "name", "content"], "ON CONFLICT DO NOTHING RETURNING id")
    let plain = SQLInsert(into: "things", ["id", "name", "content"])
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let content = Data(repeating: 7, count: 20_000)
      @Sendable func row(_ id: Int) -> [SQLValue] {
        [id.sqlValue, .text("n\(id)"), .blob(content)]
      }
      try await database.write { db in
        try db.store([plain((0..<5).map(row)), plain([]), plain((5..<75).map(row))])
      }
      // As many as take several statements, every second of which is new.
      let told = try await database.write { db in
        try db.rows(storing: insert((0..<150).map { row($0.isMultiple(of: 2) ? $0 : 1000 + $0) }))
          .map { try $0["id"] as Int }
      }
      #expect(
        told
          == (0..<150).filter { !$0.isMultiple(of: 2) || $0 >= 75 }.map {
            $0.isMultiple(of: 2) ? $0 : 1000 + $0
          })
      #expect(try await Self.count(database) == 75 + told.count)
      #expect(
        try await database.rows("SELECT content FROM things WHERE id = \(1001)").first?["content"]
          == content)
      let failure = await #expect(throws: SQLFailure.self) {
        try await database.write { try $0.store([plain([row(3000), row(3)])]) }
      }
      #expect(failure?.code == .constraint)
      let unstorable = await #expect(throws: SQLFailure.self) {
        try await database.write { db in
          try db.store([plain([[.integer(4000), .text("a\0b"), .null]])])
        }
      }
      #expect(unstorable?.code == .unstorableText)
      // Neither does what is stored last and breaks a rule leave what was before it.
      let last = await #expect(throws: SQLFailure.self) {
        try await database.write { db in
          try db.run("DELETE FROM things WHERE id = 0")
          try db.store([plain([row(3000)]), plain([row(3), row(3001)])])
        }
      }
      #expect(last?.code == .constraint)
      #expect(try await Self.count(database) == 75 + told.count)
      // What is stored is there for the next statement.
      let count: Int? = try await database.write { db in
        try db.run("DELETE FROM things")
        try db.store([plain([row(1)]), plain([row(2)])])
        return try db.value("SELECT count(*) AS value FROM things")
      }
      #expect(count == 2)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a statement that is planned for its values answers like any other`(engine: TestEngine)
    async throws
  {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      try await database.write { db in
        _ = try db.runAll(
          (0..<20).map { "INSERT INTO things VALUES (\($0), \("n\($0)"), \(Data([7, 0])))" })
      }
      for first in 0..<20 {
        let statement: SQLText =
          "SELECT name FROM things WHERE id >= \(first) AND content = \(Data([7, 0])) ORDER BY id"
        let both = try await database.read { db in
          [try db.rows(statement), try db.rows(statement.plannedForItsValues)].map { rows in
            rows.compactMap { try? $0["name"] as String }
          }
        }
        #expect(both[1] == (first..<20).map { "n\($0)" })
        #expect(both[0] == both[1])
      }
      let failure = await #expect(throws: SQLFailure.self) {
        _ = try await database.rows(("SELECT \(1) FROM nowhere" as SQLText).plannedForItsValues)
      }
      #expect(failure?.code == .refused)
      #expect(try await Self.count(database) == 20)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `writers that hold a lock of one name come one after the other`(engine: TestEngine)
    async throws
  {
    try await engine.withDatabase { database, open in
      try await Self.makeTable(database)
      try await database.write { try $0.run("INSERT INTO things (id, name) VALUES (1, '0')") }
      // As another process would.
      let other = try open()
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for number in 0..<40 {
          tasks.addTask {
            try await (number.isMultiple(of: 2) ? database : other).write(lock: "count") { db in
              let name: String? = try db.value("SELECT name AS value FROM things")
              let next = (name.flatMap(Int.init) ?? 0) + 1
              try db.run("UPDATE things SET name = \(String(next))")
            }
          }
        }
        try await tasks.waitForAll()
      }
      let name = try await database.rows("SELECT name FROM things").first?["name"] as String?
      #expect(name == "40")
      try await other.close()
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a read sees one state however long it takes`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let gate = DispatchSemaphore(value: 0)
      async let counts = database.read { db in
        defer { begin.finish() }
        let first: Int? = try db.value("SELECT count(*) AS value FROM things")
        begin.finish()
        gate.wait()
        let second: Int? = try db.value("SELECT count(*) AS value FROM things")
        return [first, second]
      }
      for await _ in begun {}
      try await database.write { try $0.run("INSERT INTO things (id) VALUES (1)") }
      gate.signal()
      #expect(try await counts == [0, 0])
      #expect(try await Self.count(database) == 1)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `migrations that several processes run at once are run once`(engine: TestEngine)
    async throws
  {
    try await engine.withDatabase { database, open in
      var migrations = SQLMigrations()
      migrations.add("things") { db in
        try db.script("CREATE TABLE things (id \(db.engine.integer) NOT NULL)")
      }
      migrations.add("first") { try $0.run("INSERT INTO things VALUES (1)") }
      let complete = migrations
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for _ in 0..<6 {
          tasks.addTask {
            let other = try open()
            try await complete.apply(to: other)
            try await other.close()
          }
        }
        try await tasks.waitForAll()
      }
      #expect(try await Self.count(database) == 1)
      var older = SQLMigrations()
      older.add("things") { _ in }
      let oldOnes = older
      let tooNew = await #expect(throws: SQLFailure.self) {
        try await oldOnes.apply(to: database)
      }
      #expect(tooNew?.code == .damaged)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `migrations leave a database alone that has other tables`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      let failure = await #expect(throws: SQLFailure.self) {
        try await SQLMigrations().apply(to: database)
      }
      #expect(failure?.code == .damaged)
      #expect(failure?.message.contains("'things'") == true)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `what was deleted can be erased`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await Self.makeTable(database)
      try await database.write { db in
        try db.runAll((0..<10).map { "INSERT INTO things (id) VALUES (\($0))" })
      }
      try await database.write { try $0.run("DELETE FROM things WHERE id < 9") }
      try await database.eraseDeleted("things")
      #expect(try await Self.count(database) == 1)
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `a closed database refuses`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, open in
      let other = try open()
      try await other.close()
      await #expect(throws: SQLFailure.self) {
        _ = try await other.rows("SELECT 1 AS value")
      }
    }
  }

  @Test(arguments: TestEngine.allCases)
  func `reads of all kinds at once come to an end`(engine: TestEngine) async throws {
    try await engine.withDatabase { database, _ in
      try await database.write { try $0.script("CREATE TABLE numbers (number BIGINT NOT NULL)") }
      let sums = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<200 {
          group.addTask {
            try await database.write { try $0.run("INSERT INTO numbers VALUES (\(number))") }
            let read: Int? = try await database.read {
              try $0.value("SELECT count(*) AS value FROM numbers")
            }
            let looked: Int? = try await database.look {
              try $0.value("SELECT count(*) AS value FROM numbers")
            }
            let rows = try await database.rows("SELECT count(*) AS value FROM numbers")
            let counted: Int = try #require(rows.first)["value"]
            // Each sees at least what those before it saw.
            return read ?? 0 <= looked ?? 0 && looked ?? 0 <= counted ? 1 : 0
          }
        }
        return try await group.reduce(0, +)
      }
      #expect(sums == 200)
    }
  }

}
