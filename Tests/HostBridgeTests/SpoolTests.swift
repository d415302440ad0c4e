// What the spool promises: durable before it says so, once, bounded, gone when it has to be.

import DumpFormat
import Foundation
import GRDB
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct SpoolTests {
  @Test func `a stored dump is there after the spool is opened again`() async throws {
    try await TemporaryDirectory.with { folder in
      let dump = Sample(key(1, 1))
      #expect(try await Spool(folder: folder.path).store(dump) == .stored)
      let again = try Spool(folder: folder.path)
      #expect(try await again.bytes(of: dump.identity) == dump.bytes)
      #expect(try await again.standing(of: dump) == .known(.stored))
      #expect(
        try await again.waiting(of: dump.identity.device, limit: 9).map(\.identity) == [
          dump.identity
        ])
    }
  }

  @Test func `commits are synchronous, in a write-ahead log, and deletions overwrite`() async throws
  {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let pragmas = try await spool.connected().read { db in
        try ["journal_mode", "synchronous", "secure_delete"].map {
          try String.fetchOne(db, sql: "PRAGMA \($0)")
        }
      }
      #expect(pragmas == ["wal", "2", "1"])
    }
  }

  @Test func `the same dump is stored once`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let dump = Sample(key(1, 1))
      #expect(try await spool.store(dump) == .stored)
      #expect(try await spool.store(dump) == .stored)
      #expect(try await spool.waiting(of: dump.identity.device, limit: 9).count == 1)
    }
  }

  @Test func `another dump under the same identity is not taken`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let first = Sample(key(1, 1))
      let second = Sample(key(1, 1), size: 90)
      #expect(try await spool.store(first) == .stored)
      #expect(try await spool.store(second) == .conflict)
      #expect(try await spool.standing(of: second) == .conflict)
      #expect(try await spool.bytes(of: first.identity) == first.bytes)
    }
  }

  @Test func `an uploaded dump leaves its name and not its bytes`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let dump = Sample(key(1, 1))
      #expect(try await spool.store(dump) == .stored)
      try await spool.settle(dump.identity, as: .uploaded, note: "dump-1")
      #expect(try await spool.bytes(of: dump.identity) == nil)
      #expect(try await spool.standing(of: dump) == .known(.uploaded))
      #expect(try await spool.store(dump) == .stored)
      #expect(try await spool.devicesWaiting() == [])
    }
  }

  @Test func `a full spool takes nothing until something has left`() async throws {
    try await TemporaryDirectory.with { folder in
      let first = Sample(key(1, 1))
      let second = Sample(key(1, 2))
      let spool = try Spool(folder: folder.path, limits: SpoolLimits(bytes: first.bytes.count + 10))
      #expect(try await spool.store(first) == .stored)
      #expect(try await spool.store(second) == .full)
      #expect(try await spool.standing(of: second) == .unknown)
      try await spool.settle(first.identity, as: .uploaded)
      #expect(try await spool.store(second) == .stored)
    }
  }

  @Test func `a purge takes the bytes of one device out of the folder`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let mine = Sample(key(1, 1))
      let rejected = Sample(key(1, 2))
      let other = Sample(key(1, 1), device: "22")
      for dump in [mine, rejected, other] { #expect(try await spool.store(dump) == .stored) }
      try await spool.settle(rejected.identity, as: .rejected, note: "not a dump")
      #expect(try await spool.purge(device: mine.identity.device).keys.count == 2)
      #expect(try await spool.standing(of: mine) == .known(.purged))
      #expect(try await spool.standing(of: rejected) == .known(.purged))
      #expect(try await spool.bytes(of: other.identity) == other.bytes)
      #expect(!folder.holds(mine.bytes[200..<232]))
      #expect(folder.holds(other.bytes[200..<232]))
    }
  }

  @Test func `a broken database is an error of its own and not a loss`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      try await spool.connected().write { try $0.execute(sql: "DROP TABLE dump") }
      let error = await #expect(throws: HostBridgeError.self) {
        try await spool.store(Sample(key(1, 1)))
      }
      #expect(error?.code == .spoolFailed)
    }
  }

  @Test func `a folder that cannot be made is a clear error`() throws {
    let error = #expect(throws: HostBridgeError.self) { try Spool(folder: "/dev/null/spool") }
    #expect(error?.code == .spoolUnavailable)
    #expect(error?.description.contains("--spool") == true)
  }
}

/// A dump with its identity.
struct Sample: Sendable {
  let identity: DumpIdentity
  let bytes: [UInt8]
  let fingerprint: UInt8

  /// - Parameters:
  ///   - device: two digits that its id repeats.
  ///   - fingerprint: 0 leaves it to the builder.
  ///   - epoch: of the consent under which it was taken.
  ///   - deviceNumber: the end of the device's id, when more than 256 are needed.
  init(
    _ key: DumpKey, device: String = "11", size: Int = 500, fingerprint: UInt8 = 0,
    epoch: UInt32 = 1, deviceNumber: Int? = nil
  ) {
    self.fingerprint = fingerprint
    var id = String(repeating: device, count: 64)
    if let deviceNumber { id = id.dropLast(6) + String(100_000 + deviceNumber) }
    identity = DumpIdentity(device: id, key: key)
    var generator = SeededGenerator(
      seed: UInt64(key.bootCount) << 48 | UInt64(key.sequence) << 32 | UInt64(size)
        ^ UInt64(fingerprint) << 56 ^ UInt64(device.hashCode))
    var builder = DumpBuilder(key: key)
    builder.header.consentEpoch = epoch
    builder.header.fingerprint = Fingerprint(rawValue: UInt64(fingerprint))
    builder.seal(noise: generator.bytes(size))
    bytes = builder.build(withEnd: false)
  }

  /// A dump of the test's own.
  init(_ key: DumpKey, device: String, bytes: [UInt8]) {
    identity = DumpIdentity(device: String(repeating: device, count: 64), key: key)
    self.bytes = bytes
    fingerprint = 0
  }
}

extension String {
  /// The same in every run.
  fileprivate var hashCode: Int { utf8.reduce(0) { $0 * 31 + Int($1) } << 40 }
}

extension Spool {
  func store(_ dump: Sample) async throws -> StoreResult {
    let prologue = try dump.bytes.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    return try await store(dump.identity, prologue: prologue, bytes: dump.bytes)
  }

  /// The same, but a dump of the test's that is none counts as a failure of the spool.
  func storeTyped(_ dump: Sample) async throws(HostBridgeError) -> StoreResult {
    do {
      return try await store(dump)
    } catch {
      throw error as? HostBridgeError ?? HostBridgeError(code: .spoolFailed, message: "\(error)")
    }
  }

  func standing(of dump: Sample) async throws -> Standing {
    try await standing(
      of: dump.identity, prologue: Array(dump.bytes.prefix(128)), size: dump.bytes.count)
  }
}

extension TemporaryDirectory {
  /// Whether a file of the folder holds these bytes.
  func holds(_ bytes: some Collection<UInt8>) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.contains { name in
      let content = (try? Data(contentsOf: file(name))) ?? Data()
      return content.firstRange(of: Data(bytes)) != nil
    }
  }
}
