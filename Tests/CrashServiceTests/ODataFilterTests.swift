// `$filter`: what it means, compared with a reading of its own, and what is refused.

import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ODataFilterTests {
  private static let fields = [
    FilterField("name", .caseless, "name"), FilterField("description", .text, "description"),
    FilterField("deviceId", .lowercase, "device"),
    FilterField("allowCrashDumpsCollection", CrashDumpsCollection.self, "consent"),
    FilterField("hasDeployment", .flag, "deployed"), FilterField("eventCount", .number, "events"),
  ]

  /// A row, and what a filter says of it by the words of OData alone.
  private struct Item {
    var name: String
    var description: String
    var device: String
    var consent: String
    var deployed: Bool
    var events: Int
  }

  private static let items = [
    Item(
      name: "Field Test", description: "It's 100% Größe_1", device: "abc1", consent: "Enabled",
      deployed: true, events: 3),
    Item(
      name: "FIELD", description: "", device: "abc2", consent: "Disabled", deployed: false,
      events: -1),
    Item(
      name: "Production", description: "it's 100", device: "ff00", consent: "Disabled",
      deployed: true, events: 3),
    Item(
      name: "dev", description: "größe", device: "00ff", consent: "Enabled", deployed: false,
      events: 0),
  ]

  private static func database(_ engine: SQLEngine, _ folder: TestFolder) async throws
    -> any SQLDatabase
  {
    let database = try await folder.database(engine, "filter")
    try await database.write { connection in
      try connection.script(
        """
        CREATE TABLE items (place BIGINT, name \(engine.text), description TEXT,
          device \(engine.text), consent TEXT, deployed BIGINT, events BIGINT)
        """)
      for (place, item) in items.enumerated() {
        try connection.run(
          """
          INSERT INTO items VALUES (\(place), \(item.name), \(item.description), \(item.device),
            \(item.consent), \(item.deployed), \(item.events))
          """)
      }
    }
    return database
  }

  /// The places of the items that the filter lets through.
  private static func found(_ filter: String, in database: any SQLDatabase) async throws -> [Int] {
    let condition = try ODataFilter(filter, over: fields).condition
    return try await database.read { connection in
      try connection.rows("SELECT place FROM items WHERE \(condition) ORDER BY place")
        .map { try $0["place"] as Int }
    }
  }

  @Test(arguments: [
    ("name eq 'field test'", [0]), ("properties/name eq 'FIELD'", [1]),
    ("NAME ne 'dev'", [0, 1, 2]), ("'dev' eq name", [3]),
    ("startswith(name,'field')", [0, 1]), ("endswith( name , 'D' )", [1]),
    ("contains(name, 'E')", [0, 1, 3]), ("not contains(name,'e')", [2]),
    ("description eq ''", [1]), ("startswith(description,'')", [0, 1, 2, 3]),
    ("description eq 'it''s 100'", [2]), ("contains(description, '%')", [0]),
    ("contains(description,'_')", [0]), ("endswith(description,'öße')", [3]),
    ("startswith(description,'gr')", [3]), ("deviceId eq 'ABC1'", [0]),
    ("properties/deviceId eq 'abc2'", [1]),
    ("properties/allowCrashDumpsCollection eq 'enabled'", [0, 3]),
    ("hasDeployment eq true", [0, 2]), ("hasDeployment ne true", [1, 3]),
    ("eventCount eq 3", [0, 2]), ("eventCount eq -1", [1]),
    ("name eq 'dev' or name eq 'field' and eventCount eq 3", [3]),
    ("(name eq 'dev' or name eq 'field') and eventCount eq 0", [3]),
    ("not (name eq 'dev' or name eq 'field')", [0, 2]), ("not not name eq 'dev'", [3]),
  ])
  func `a filter finds what it says`(filter: String, places: [Int]) async throws {
    for engine in [SQLEngine.sqlite, .postgres] {
      let folder = TestFolder()
      let database = try await Self.database(engine, folder)
      let found = try await Self.found(filter, in: database)
      #expect(found == places, "\(engine)")
      try await database.close()
    }
  }

  @Test(arguments: [
    ("", "the name of a field is expected and not the end"),
    ("name", "'eq' or 'ne' is expected and not the end"),
    ("name gt 'a'", "'eq' or 'ne' is expected and not 'gt'"),
    ("name eq Field", "compared with a text in quotes and not with 'Field'"),
    ("name eq 'a", "has no end"), ("name eq 'a' name eq 'b'", "'and', 'or' or the end"),
    ("(name eq 'a'", "')' is expected"), ("name eq 'a')", "'and', 'or' or the end"),
    ("nothing eq 'a'", "'nothing' is no field"), ("properties/ eq 'a'", "is no field"),
    ("allowCrashDumpsCollection eq 'On'", "is one of Enabled, Disabled"),
    ("startswith(hasDeployment,'t')", "startswith does not apply to 'hasDeployment'"),
    ("startswith(name)", "',' is expected"), ("startswith(name,1)", "text in quotes"),
    ("hasDeployment eq 1", "compared with true or false"), ("eventCount eq 1.5", "a whole number"),
    ("eventCount eq 99999999999999999999", "a whole number"),
    ("name eq name", "compared with a text"), ("'a' eq 'b'", "the name of a field is expected"),
    ("name; DROP TABLE items", "nothing begins with this character"),
    ("name eq 'a\u{0}b'", "no control characters"), ("name eq null", "a text in quotes"),
    (String(repeating: "(", count: 33) + "name eq 'a'", "nested more than 32 deep"),
    (String(repeating: "name eq 'a' or ", count: 65) + "name eq 'a'", "more than 64 conditions"),
    ("name eq '\(String(repeating: "x", count: 2_000))'", "longer than 2000 bytes"),
  ])
  func `a filter that is not understood says why`(filter: String, words: String) throws {
    let failure = #expect(throws: ServiceFailure.self) {
      try ODataFilter(filter, over: Self.fields)
    }
    #expect(failure?.status == .badRequest)
    #expect(failure?.body.error.target == "$filter")
    let message = failure?.body.error.message ?? ""
    #expect(message.contains(words), "\(message)")
    #expect(message.contains("at character "))
    #expect(message.contains("eventCount."))
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `filters made by chance find what a reading of their own finds`(engine: SQLEngine)
    async throws
  {
    var generator = SeededGenerator.fromEnvironment()
    let folder = TestFolder()
    let database = try await Self.database(engine, folder)
    for _ in 0..<400 {
      let (text, meaning) = Self.filter(depth: 4, &generator)
      let places = Self.items.indices.filter { meaning(Self.items[$0]) }
      #expect(
        try await Self.found(text, in: database) == places, "\(text), seed \(generator.seed)")
    }
    try await database.close()
  }

  @Test(arguments: [SQLEngine.sqlite, .postgres])
  func `noise is refused or understood, and nothing else happens`(engine: SQLEngine) async throws {
    var generator = SeededGenerator.fromEnvironment()
    let folder = TestFolder()
    let database = try await Self.database(engine, folder)
    let pieces = [
      "name", "description", "eq", "ne", "and", "or", "not", "(", ")", ",", "'", "''", "'a'", " ",
      "true", "-1", "startswith(", "contains", "properties/", "\\", "%", "\u{0}", "é", "--", ";",
      "🙂", "\u{301}", "eventCount", "hasDeployment",
    ]
    var understood = 0
    for _ in 0..<5_000 {
      let count = Int.random(in: 0...24, using: &generator)
      let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }
        .joined(separator: generator.chance(0.5) ? " " : "")
      do {
        _ = try await Self.found(text, in: database)
        understood += 1
      } catch let failure as ServiceFailure {
        #expect(failure.status == .badRequest)
      } catch {
        Issue.record("\(text.debugDescription), seed \(generator.seed): \(error)")
      }
    }
    #expect(try await Self.found("not name eq 'x'", in: database).count == Self.items.count)
    try await database.close()
  }

  // MARK: - Filters made by chance

  private typealias Meaning = (Item) -> Bool

  private static func filter(depth: Int, _ generator: inout SeededGenerator) -> (String, Meaning) {
    guard depth > 0, generator.chance(0.6) else { return condition(&generator) }
    let (first, isFirst) = filter(depth: depth - 1, &generator)
    switch generator.next() % 3 {
    case 0: return ("not (\(first))", { !isFirst($0) })
    case 1:
      let (second, isSecond) = filter(depth: depth - 1, &generator)
      return ("(\(first)) and (\(second))", { isFirst($0) && isSecond($0) })
    default:
      let (second, isSecond) = filter(depth: depth - 1, &generator)
      return ("(\(first)) or (\(second))", { isFirst($0) || isSecond($0) })
    }
  }

  private static func condition(_ generator: inout SeededGenerator) -> (String, Meaning) {
    let texts = ["field", "Field Test", "e", "it's 100", "100%", "größe", "D", "_", "abc", "ff"]
    let text = texts.randomElement(using: &generator) ?? ""
    let literal = "'\(text.replacing("'", with: "''"))'"
    switch generator.next() % 8 {
    case 0: return ("name eq \(literal)", { $0.name.lowercased() == text.lowercased() })
    case 1: return ("description ne \(literal)", { $0.description != text })
    case 2:
      return (
        "startswith(name, \(literal))", { $0.name.lowercased().hasPrefix(text.lowercased()) }
      )
    case 3: return ("endswith(description,\(literal))", { $0.description.hasSuffix(text) })
    case 4:
      return ("contains(properties/description,\(literal))", { $0.description.contains(text) })
    case 5: return ("contains(deviceId,\(literal))", { $0.device.contains(text.lowercased()) })
    case 6: return ("hasDeployment eq true", { $0.deployed })
    default: return ("eventCount ne 3", { $0.events != 3 })
    }
  }
}
