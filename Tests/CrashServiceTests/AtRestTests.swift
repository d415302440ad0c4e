// What lies on the disk can be read with the master key alone.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import GRDB
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
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
      let bytes = try Data(contentsOf: folder.url.appending(path: file))
      for part in searched { #expect(bytes.range(of: part) == nil, "in \(file)") }
    }
  }

  @Test func `no secret key lies in the clear in any file`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.upload(sampleDump())
      let management = try #require(bench.service.management as? SQLiteManagementStore)
      let store = try #require(bench.service.dumps.usEast as? SQLiteDumpStore)
      var secrets: [Data] = try await management.pool.read { db in
        let claim = try management.claimKey(db).rawRepresentation
        let signing = try CatalogKeyRow.fetchAll(db).map {
          try management.signingKey(db, $0.id).rawRepresentation
        }
        return [claim] + signing
      }
      secrets.append(try await store.sealingKey(at: bench.clock.now).privateKey.rawRepresentation)
      secrets.append(
        try #require(
          try await store.pool.read { try store.secrets.secret($0, DumpVault.secretName) }))
      #expect(secrets.count == 4)
      secrets.append(try #require(Data(base64Encoded: ServiceBench.masterKey.base64)))
      for file in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
        let bytes = try Data(contentsOf: folder.url.appending(path: file))
        for secret in secrets { #expect(bytes.range(of: secret) == nil, "in \(file)") }
      }
    }
  }

  @Test func `each dump has a key of its own that opens it alone`() throws {
    let vault = DumpVault(secret: DumpVault.newSecret())
    let content = Data(Self.marker)
    let first = try vault.seal(content: content, signature: "s", id: "eu-1")
    let second = try vault.seal(content: content, signature: "s", id: "eu-2")
    #expect(first.content != second.content)
    #expect(
      try vault.content(first.content, wrappedKey: first.wrappedKey, id: "eu-1") == content)
    #expect(
      try vault.signature(first.signature, wrappedKey: first.wrappedKey, id: "eu-1") == "s")
    let other = DumpVault(secret: DumpVault.newSecret())
    #expect(throws: SecretUnreadable.self) {
      try other.content(first.content, wrappedKey: first.wrappedKey, id: "eu-1")
    }
    #expect(throws: SecretUnreadable.self) {
      try vault.content(first.content, wrappedKey: second.wrappedKey, id: "eu-1")
    }
    #expect(throws: SecretUnreadable.self) {
      try vault.content(first.content, wrappedKey: first.wrappedKey, id: "eu-2")
    }
    #expect(throws: SecretUnreadable.self) {
      try vault.signature(first.content, wrappedKey: first.wrappedKey, id: "eu-1")
    }
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

  @Test func `a dump that was changed on the disk is not handed out`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      let id = try await bench.upload(sampleDump()).decoded(DumpReceipt.self).id
      let store = try #require(bench.service.dumps.usEast as? SQLiteDumpStore)
      try await store.pool.write { db in
        try db.execute(
          sql: "UPDATE sealedContents SET content = zeroblob(length(content))")
      }
      let answer = try await bench.get(DumpPath.content(id))
      #expect(answer.status == .internalServerError)
      #expect(answer.code == "StorageDamaged")
    }
  }

  // MARK: - From an older version

  /// A data folder as the version before encryption left it: a catalog, a device and a dump.
  ///
  /// - Parameter killed: what a kill -9 leaves, the dump in the write-ahead log.
  private func makeOldFolder(_ folder: TestFolder, dump: [UInt8], killed: Bool) throws {
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    let management = try DatabasePool(path: folder.url.appending(path: "martlet.sqlite").path)
    try SQLiteManagementStore.migrator.migrate(management, upTo: "catalogs, groups, devices")
    try management.write { db in
      try db.execute(
        sql: """
          INSERT INTO catalogs VALUES ('c', 's', 'g', 'plant', 'global', '{}', 0, 0);
          INSERT INTO products VALUES ('p', 'c', 'DW100', '', 0, 0);
          INSERT INTO deviceGroups VALUES ('d', 'p', 'Field Test', '', 'Retail', 'UpdateAll',
            'Enabled', 'None', 0, 0);
          INSERT INTO devices VALUES ('\(ServiceBench.device)', 'd', 0);
          INSERT INTO consentEpochs VALUES ('\(ServiceBench.device)', 7);
          """)
    }
    try management.close()
    let secrets = SecretTable(masterKey: ServiceBench.masterKey, store: "us-east")
    let store = try DatabasePool(path: folder.url.appending(path: "us-east.sqlite").path)
    try SQLiteDumpStore.migrator(secrets).migrate(store, upTo: "crash counts")
    try store.write { db in
      try db.execute(
        literal: """
          INSERT INTO dumps (id, deviceId, bootCount, sequence, catalog, product, deviceGroup, kind,
            fingerprint, signature, buildId, imageVersion, uptimeMicroseconds, occurrences,
            consentEpoch, size, isTruncated, receivedAt, prologue)
          VALUES ('us-east-old', \(ServiceBench.device), 1, 1, 'plant', 'DW100', 'Field Test',
            'usageFault', '0102030405060708', 'AppCrash (kind=usageFault; pc=0x00001234)', '', '1',
            '1', 1, 7, \(dump.count), 0, 1000, \(Data(dump.prefix(128))));
          INSERT INTO contents VALUES ('us-east-old', \(Data(dump)))
          """)
    }
    let files = ["us-east.sqlite", "us-east.sqlite-wal"].map { folder.url.appending(path: $0) }
    let open = try files.map { try Data(contentsOf: $0) }
    try store.close()
    guard killed else { return }
    for (file, bytes) in zip(files, open) { try bytes.write(to: file) }
  }

  @Test(arguments: [false, true])
  func `dumps that an older version stored are encrypted at the start`(killed: Bool) async throws {
    let folder = TestFolder()
    let memory = Self.marker + [UInt8](repeating: 0x5A, count: 100_000) + Self.marker
    let dump = sampleDump(memory: memory)
    try makeOldFolder(folder, dump: dump, killed: killed)
    let holding = folder.url.appending(path: killed ? "us-east.sqlite-wal" : "us-east.sqlite")
    #expect(
      try Data(contentsOf: holding).range(of: Data(Self.marker)) != nil,
      "the search does not find what is there")
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      try expectNothing(of: memory, folder)
      let content = try await bench.get(DumpPath.content("us-east-old"))
      #expect(Array(content.body.readableBytesView) == dump)
      let summary = try #require(try await bench.dumps().first)
      #expect(summary.signature == "AppCrash (kind=usageFault; pc=0x00001234)")
      #expect(summary.receivedAt == Date(timeIntervalSince1970: 1))
      let stored = try await bench.service.dumps.find(
        DumpKey(bootCount: 1, sequence: 1), of: BenchDevice.even.id)
      #expect(stored?.digest == Data(SHA256.hash(data: dump)))
      // The catalog has keys now, and the claimed device can be provisioned for it.
      #expect(try await bench.lease().code == "DeviceNotProvisioned")
      #expect(try await bench.provision(ServiceBench.device).status == .created)
      let lease = try await bench.parsedLease()
      #expect(lease.isAllowed)
      #expect(lease.epoch == 7)
      let other = sampleDump(key: DumpKey(bootCount: 2, sequence: 1))
      #expect(try await bench.upload(other).status == .created)
    }
    try expectNothing(of: memory, folder)
  }
}
