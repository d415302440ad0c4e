// What lies on the disk can be read with the master key alone.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import GRDB
import SQLStorage
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct AtRestTests {
  private static let marker = Array("a marker that lies nowhere in the clear".utf8)

  @Test(arguments: [64, 200_000])
  func `nothing of a dump lies in the clear in any file or in the log`(size: Int) async throws {
    let folder = TestFolder()
    let log = LineLog()
    let memory = Self.marker + [UInt8](repeating: 0x5A, count: size) + Self.marker
    try await ServiceBench.run(folder: folder, log: log) { bench in
      try await bench.setConsent(.enabled)
      let id = try await bench.upload(sampleDump(memory: memory)).decoded(DumpReceipt.self).id
      let content = try await bench.get(DumpPath.content(id))
      #expect(Data(content.body.readableBytesView).range(of: Data(Self.marker)) != nil)
      #expect(try await bench.dumps().first?.signature.contains("0x00001234") == true)
      // While the stores are open their newest pages lie in the write-ahead logs.
      try expectNothing(of: memory, folder)
    }
    try expectNothing(of: memory, folder)
    #expect(!log.lines.isEmpty)
    let words = ["a marker", "0x00001234", ServiceBench.masterKey.base64]
    #expect(!log.lines.contains { line in words.contains { line.contains($0) } })
  }

  /// Neither the memory nor the registers of ``sampleDump(key:memory:hasBlocks:)``.
  private func expectNothing(of memory: [UInt8], _ folder: TestFolder) throws {
    let searched = [
      Data(Self.marker), Data(repeating: 0x5A, count: 16), Data("pc=0x".utf8),
      Data("AppCrash".utf8),
    ]
    for (file, bytes) in try folder.files() {
      for part in searched { #expect(bytes.range(of: part) == nil, "in \(file)") }
    }
  }

  @Test func `no secret key lies in the clear in any file`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.upload(sampleDump())
      let management = bench.service.management
      let store = bench.service.dumps.usEast
      var secrets: [Data] = try await management.read { db in
        let claim = try management.claimKey(db).rawRepresentation
        let signing = try db.rows("SELECT id FROM catalogKeys").map {
          try management.signingKey(db, $0["id"]).rawRepresentation
        }
        return [claim] + signing
      }
      secrets.append(try await store.sealingKey(at: bench.clock.now).privateKey.rawRepresentation)
      let slot = RetentionSlot(
        group: try #require(
          try await bench.service.management.standing(of: BenchDevice.even.id).placement?.groupID),
        time: milliseconds(bench.clock.now))
      let key = try #require(try await store.keys.keys(of: [slot])[slot])
      secrets.append(key.withUnsafeBytes { Data($0) })
      #expect(secrets.count == 4)
      secrets.append(try #require(Data(base64Encoded: ServiceBench.masterKey.base64)))
      for (file, bytes) in try folder.files() {
        for secret in secrets { #expect(bytes.range(of: secret) == nil, "in \(file)") }
      }
    }
  }

  @Test func `what is encrypted opens with its own key, as its own part of its own dump`() throws {
    let vault = DumpVault(key: SymmetricKey(size: .bits256))
    let content = Data(Self.marker)
    let sealed = try vault.seal(content, .content, id: "eu-1")
    #expect(try vault.seal(content, .content, id: "eu-1") != sealed)
    #expect(try vault.open(sealed, .content, id: "eu-1") == content)
    let other = DumpVault(key: SymmetricKey(size: .bits256))
    #expect(throws: SecretUnreadable.self) { try other.open(sealed, .content, id: "eu-1") }
    #expect(throws: SecretUnreadable.self) { try vault.open(sealed, .content, id: "eu-2") }
    #expect(throws: SecretUnreadable.self) { try vault.open(sealed, .signature, id: "eu-1") }
  }

  @Test func `a secret is read in its own store, under its own name and key alone`() throws {
    let key = MasterKey()
    let secret = Data(Self.marker)
    let eu = SecretTable(masterKey: key, store: "eu")
    let wrapped = try eu.wrap(secret, name: "storage")
    #expect(try eu.unwrap(wrapped, name: "storage") == secret)
    #expect(try eu.wrap(secret, name: "storage") != wrapped)
    #expect(throws: SecretUnreadable.self) { try eu.unwrap(wrapped, name: "sealing/1") }
    #expect(throws: SecretUnreadable.self) {
      try SecretTable(masterKey: key, store: "us-east").unwrap(wrapped, name: "storage")
    }
    #expect(throws: SecretUnreadable.self) {
      try SecretTable(masterKey: MasterKey(), store: "eu").unwrap(wrapped, name: "storage")
    }
    for at in wrapped.indices {
      var changed = wrapped
      changed[at] ^= 1
      #expect(throws: SecretUnreadable.self) { try eu.unwrap(changed, name: "storage") }
    }
    #expect(throws: SecretUnreadable.self) { try eu.unwrap(Data(), name: "storage") }
  }

  @Test(.onSQLite) func `a dump that was changed on the disk is not handed out`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      let id = try await bench.upload(sampleDump()).decoded(DumpReceipt.self).id
      try await bench.service.dumps.usEast.database.write { db in
        _ = try db.run("UPDATE contents SET content = zeroblob(length(content))")
      }
      let answer = try await bench.get(DumpPath.content(id))
      #expect(answer.status == .internalServerError)
      #expect(answer.code == "StorageDamaged")
    }
  }

  @Test func `a folder of a version that kept its tables otherwise is refused at the start`()
    async throws
  {
    let folder = TestFolder()
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    let old = try SQLiteDatabase(at: folder.url.appending(path: "martlet.sqlite"))
    try await old.write { try $0.script("CREATE TABLE catalogs (id TEXT NOT NULL PRIMARY KEY)") }
    try await old.close()
    await #expect {
      _ = try await CrashService(dataFolder: folder.url, masterKey: ServiceBench.masterKey)
    } throws: {
      guard let failure = $0 as? ServiceStartFailure else { return false }
      return failure.code == .storeDamaged && failure.message.contains("another version")
    }
  }
}
