// How fast a service learns that a token was made or revoked.

import Foundation
import SQLStorage
import Synchronization
import Testing

@testable import CrashService

@Suite struct LoginDirectoryTests {
  private final class Uptime: Sendable {
    private let time = Mutex(Duration.zero)
    var now: Duration { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 += duration } }
  }

  @Test func `a revocation by another process is noticed within a second`() async throws {
    let folder = TestFolder()
    let service = try await CrashService(
      dataFolder: folder.url, masterKey: ServiceBench.masterKey)
    let store = service.access
    // Another process: another connection to the same file.
    let other = try await AccessStore.open(in: folder.url)
    let uptime = Uptime()
    let directory = LoginDirectory(store: store, longestAge: .milliseconds(500)) {
      uptime.now
    }

    let token = AccessToken()
    let made = Date(timeIntervalSince1970: 1_800_000_000)
    #expect(try await directory.credential(.token, token.id) == nil)
    let credential = Credential(
      token, label: "bench", roles: [.reader, .bridge],
      catalogs: .only([ServiceBench.catalog]), createdAt: made, expiresAt: made + 60)
    try await other.insert(credential)
    uptime.advance(.milliseconds(500))
    #expect(try await directory.credential(.token, token.id) == credential)
    #expect(try await directory.credential(.certificate, token.id) == nil)

    #expect(try await other.revoke(.token, token.id, at: made))
    uptime.advance(.milliseconds(500))
    let revoked = try #require(try await directory.credential(.token, token.id))
    #expect(!revoked.isValid(at: made))
    try await other.close()

    // A store that does not answer lets nobody in.
    try await service.close()
    uptime.advance(.milliseconds(500))
    await #expect(throws: (any Error).self) {
      _ = try await directory.credential(.token, token.id)
    }
  }

  @Test func `a token is known to who comes after it, whatever look was in progress`()
    async throws
  {
    let folder = TestFolder()
    let service = try await CrashService(
      dataFolder: folder.url, masterKey: ServiceBench.masterKey)
    let held = HeldDatabase(service.access.database)
    let uptime = Uptime()
    let directory = LoginDirectory(store: AccessStore(database: held), longestAge: .zero) {
      uptime.now
    }
    let token = AccessToken()
    // A look that has read and not yet told.
    async let early = directory.credential(.token, token.id)
    await held.untilRead(1)
    uptime.advance(.milliseconds(1))
    let credential = Credential(token, roles: [.reader], catalogs: .all, createdAt: Date())
    try await service.access.insert(credential)
    async let late = directory.credential(.token, token.id)
    for _ in 0..<100 { await Task.yield() }
    held.release()
    #expect(try await early == nil)
    #expect(try await late?.id == token.id)
    try await service.close()
  }

  @Test func `neither a token nor its secret is in the store's files`() async throws {
    let folder = TestFolder()
    let service = try await CrashService(
      dataFolder: folder.url, masterKey: ServiceBench.masterKey)
    let store = service.access
    let token = AccessToken()
    try await store.insert(
      Credential(token, roles: [.reader], catalogs: .all, createdAt: Date()))
    try await service.close()
    var files: [URL] = []
    for case let url as URL in try #require(
      FileManager.default.enumerator(at: folder.url, includingPropertiesForKeys: nil))
    where !url.hasDirectoryPath {
      files.append(url)
    }
    #expect(files.contains { $0.lastPathComponent == "martlet.sqlite" })
    for file in files {
      let bytes = try Data(contentsOf: file)
      #expect(bytes.range(of: Data(token.text.utf8)) == nil)
      #expect(bytes.range(of: Data(token.text.suffix(64).utf8)) == nil)
      #expect(bytes.range(of: Data(token.secret)) == nil)
    }
  }
}

/// A database whose first answers come when they are let go.
private final class HeldDatabase: SQLDatabase {
  private let base: any SQLDatabase
  private let reads = Mutex(0)
  private let gate = AsyncStream.makeStream(of: Void.self)

  init(_ base: any SQLDatabase) { self.base = base }

  var engine: SQLEngine { base.engine }

  func untilRead(_ number: Int) async {
    while reads.withLock({ $0 }) < number { await Task.yield() }
  }

  func release() { gate.continuation.finish() }

  func read<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    let value = try await base.read(body)
    reads.withLock { $0 += 1 }
    for await _ in gate.stream {}
    return value
  }

  func look<Value: Sendable>(
    _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await base.look(body)
  }

  func write<Value: Sendable>(
    lock: String?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
  ) async throws -> Value {
    try await base.write(lock: lock, body)
  }

  func eraseDeleted(_ table: String) async throws { try await base.eraseDeleted(table) }

  func close() async throws { try await base.close() }
}
