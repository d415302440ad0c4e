// Lines of the log: one an event, and no secret in any.

import Crypto
import Foundation
import HTTPTypes
import Logging
import MartletTestKit
import NIOCore
import SQLStorage
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct LogTests {
  /// Takes what a handler writes.
  private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])
    var all: [String] { kept.withLock { $0 } }
    @Sendable func take(_ line: String) { kept.withLock { $0.append(line) } }
  }

  private static func logger(_ format: LogFormat, _ lines: Lines) -> Logger {
    Logger(label: "test") { _ in
      LineLogHandler(
        format, now: { Date(timeIntervalSince1970: 1_800_000_000.25) }, write: lines.take)
    }
  }

  // MARK: - Their form

  @Test func `a line for programs is a JSON object`() throws {
    let lines = Lines()
    var logger = Self.logger(.json, lines)
    logger[metadataKey: "hb.request.id"] = "abc"
    logger.notice(
      "said \"hello\"\n",
      metadata: ["path": "/a\\b\u{1B}[2J", "list": ["1", ["k": "v"]], "time": "x"])
    let line = try #require(lines.all.first)
    #expect(line.hasPrefix(#"{"time":"2027-01-15T08:00:00.250Z","level":"notice","message":"#))
    #expect(line.last == "\n" && line.dropLast().allSatisfy { !$0.isNewline })
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    #expect(object["message"] as? String == "said \"hello\"\n")
    #expect(object["path"] as? String == "/a\\b\u{1B}[2J")
    #expect(object["request"] as? String == "abc")
    #expect(object["time_"] as? String == "x")
    #expect((object["list"] as? [Any])?.count == 2)
  }

  @Test func `a line for people is one line whatever callers send`() throws {
    let lines = Lines()
    Self.logger(.text, lines).warning(
      "odd", metadata: ["path": "/a\nerror: forged", "size": "12", "words": "two words"])
    #expect(
      lines.all == [
        "2027-01-15T08:00:00.250Z warning: odd path=\"/a\\u000aerror: forged\" size=12 words=\"two words\"\n"
      ])
  }

  @Test func `noise of any kind is a line that programs read`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<500 {
      let lines = Lines()
      let noise = String(decoding: generator.bytes(40), as: UTF8.self)
      Self.logger(.json, lines).info("\(noise)", metadata: [noise: "\(noise)"])
      let line = try #require(lines.all.first)
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
        "seed \(generator.seed)")
      #expect(object["message"] as? String == noise, "seed \(generator.seed)")
    }
  }

  @Test func `what looks like a token is masked wherever it is`() {
    let lines = Lines()
    let token = AccessToken()
    Self.logger(.json, lines).error("for \(token.text)", metadata: ["x": ["\(token.text)"]])
    #expect(lines.all.count == 1)
    #expect(!lines.all.joined().contains(token.text.suffix(20)))
    #expect(lines.all.joined().contains("mt_..."))
  }

  // MARK: - What is in them

  @Test func `each request leaves one line that says who did what and how it went`() async throws {
    let log = LineLog()
    try await ServiceBench.run(log: log) { bench in
      let before = log.lines.count
      #expect(try await bench.calling(as: .reader).get(DumpPath.list).status == .ok)
      let lines = log.lines[before...].filter { $0.hasPrefix("info request") }
      #expect(lines.count == 1)
      let line = try #require(lines.first)
      for part in [
        "\"operation\": Dumps_List", "\"status\": 200", "\"principal\": token ", "\"milliseconds\"",
        "\"method\": GET", "\"path\": /martlet/v1/dumps",
      ] {
        #expect(line.contains(part), "\(part) in \(line)")
      }
    }
  }

  @Test func `no secret of a busy service is in its log`() async throws {
    let log = LineLog()
    let marker = Array("a marker in the memory of a board".utf8)
    let secrets = Mutex<[(String, [UInt8])]>([])
    try await ServiceBench.run(log: log) { bench in
      try await bench.setConsent(.enabled)
      let sealed = try await bench.sealer().seal(sampleDump(memory: marker))
      #expect(try await bench.send(sealed: sealed).status == .created)
      #expect(try await bench.send(sealed: sealed).status == .ok)
      let id = try #require(try await bench.dumps().first?.id)
      #expect(try await bench.get(DumpPath.content(id)).status == .ok)
      _ = try await bench.verdicts([bench.offer(bootCount: 2, epoch: bench.epoch())])
      // What is damaged, refused or forged is told of as well.
      _ = try await bench.send(dump: sampleDump(memory: marker))
      _ = try await bench.send(dump: Array(sealed.dropLast(9)))
      let token = AccessToken()
      let forged = AccessToken()
      for caller in [BenchCaller.token(forged.text), .token("\(forged.text)x"), .nobody] {
        let answer = try await bench.calling(as: caller).get(
          DumpPath.list + "?access_token=\(forged.text)")
        #expect(answer.status == .unauthorized)
      }
      _ = try await bench.get("/martlet/v1/dumps/\(forged.text)")
      _ = try await bench.get("/\(forged.text)")
      _ = try await bench.put(ServiceBench.catalog.path, #"{"tags":{"\#(forged.text)":1}}"#)
      try await bench.service.access.insert(
        Credential(token, roles: [.reader], catalogs: .all, createdAt: bench.clock.now))
      #expect(
        try await bench.calling(as: .token(token.text)).get(DumpPath.list).status == .ok)
      _ = try await bench.service.deleteOverdue()
      let everybody = try #require(try await bench.callers.token(of: .everything))
      let held = try await Self.secrets(of: bench.service)
      secrets.withLock { secrets in
        secrets += held
        secrets.append(
          ("master key", Array(Data(base64Encoded: ServiceBench.masterKey.base64) ?? Data())))
        secrets.append(("marker", marker))
        for text in [forged.text, token.text, everybody] {
          secrets.append(("token", Array(text.utf8)))
          secrets.append(("secret of a token", AccessToken(text)?.secret ?? []))
        }
      }
    }
    let all = log.lines.joined(separator: "\n")
    #expect(log.lines.count > 20)
    for (name, secret) in secrets.withLock({ $0 }) {
      #expect(secret.count >= 16, "\(name)")
      for form in Self.forms(of: secret) { #expect(!all.contains(form), "\(name)") }
    }
    // The search finds what is there.
    #expect(Self.forms(of: Array("dump stored".utf8)).contains { all.contains($0) })
  }

  /// How bytes may be written.
  private static func forms(of secret: [UInt8]) -> [String] {
    let hex = secret.map { String(format: "%02x", $0) }.joined()
    let base64 = Data(secret).base64EncodedString()
    let forms = [
      hex, hex.uppercased(), String(base64.prefix(20)),
      base64.replacing("+", with: "-").replacing("/", with: "_"),
      secret.map(String.init).joined(separator: ", "),
    ]
    return forms + [String(validating: secret, as: UTF8.self)].compactMap { $0 }
  }

  private static func all(_ secrets: SecretTable, _ database: any SQLDatabase) async throws -> [(
    String, [UInt8]
  )] {
    try await database.read { db in
      try db.rows("SELECT name FROM secrets").map { row in
        let name: String = try row["name"]
        return (name, Array(try secrets.secret(db, name) ?? Data()))
      }
    }
  }

  /// Every secret that the stores hold, decrypted.
  private static func secrets(of service: CrashService) async throws -> [(String, [UInt8])] {
    var found = try await all(service.management.secrets, service.management.database)
    for store in service.dumps.all {
      found += try await all(store.secrets, store.database)
      let key = try await store.sealingKey(at: service.now())
      found.append(("sealing key", Array(key.privateKey.rawRepresentation)))
      let slots = try await store.keys.database.read { db in
        try db.rows("SELECT groupId, minute FROM retentionKeys").map {
          RetentionSlot(group: try $0["groupId"], minute: try $0["minute"])
        }
      }
      for key in try await store.keys.keys(of: Set(slots)).values {
        found.append(("retention key", key.withUnsafeBytes { Array($0) }))
      }
    }
    return found
  }
}
