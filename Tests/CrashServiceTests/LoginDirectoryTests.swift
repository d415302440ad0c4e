// How fast a service learns that a token was made or revoked.

import Foundation
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
