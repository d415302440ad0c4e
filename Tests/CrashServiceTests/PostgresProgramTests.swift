// The real program on PostgreSQL: its commands, and what one process does when another is killed.

import DumpFormat
import Foundation
import HTTPTypes
import MartletTestKit
import NIOCore
import SQLStorage
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

extension ProgramTests {
  @Suite(.timeLimit(.minutes(2))) struct PostgresProgramTests {
    @Test func `tokens are made and revoked where the databases are, while a service runs there`()
      async throws
    {
      let folder = TestFolder(engine: .postgres)
      let variables = try await folder.storage().environment
      // Beside the service and before there is one.
      let old = try await Self.command(["token", "create", "--role", "reader"], folder, variables)
      let program = try await ServiceProgram(on: folder, token: old)
      #expect(try await program.send(.GET, "/metrics").status == .ok)
      let new = try await Self.command(
        ["token", "create", "--role", "auditor", "--label", "of the night"], folder, variables)
      let auditor = try await ServiceProgram(child: program.child, token: new)
      try await auditor.poll("token that works") {
        try await auditor.send(.GET, RetentionPath.report).status == .ok
      }
      let list = try await Self.command(["token", "list"], folder, variables)
      #expect(list.contains("of the night") && list.contains("valid") && !list.contains(new))
      _ = try await Self.command(["token", "revoke", new], folder, variables)
      try await auditor.poll("token that is refused") {
        try await auditor.send(.GET, RetentionPath.report).status == .unauthorized
      }
      let certificates = try await Self.command(["certificate", "list"], folder, variables)
      #expect(certificates.hasPrefix("id"))
      try await program.kill()
      // Nothing of it is in the folder.
      let files = try folder.files().map(\.path)
      #expect(!files.contains { $0.hasSuffix(".sqlite") }, "\(files)")
    }

    @Test func `a service that was lost comes back from its backup, in other databases`()
      async throws
    {
      let folder = TestFolder(engine: .postgres, databases: .whole())
      let made = Mutex("")
      try await ServiceBench.run(folder: folder, clock: .present()) { bench in
        try await bench.setConsent(.enabled)
        #expect(try await bench.upload(sampleDump()).status == .created)
        let token = try await bench.token()
        made.withLock { $0 = token }
      }
      let token = made.withLock { $0 }
      let backup = folder.url.appending(path: "backup").path
      let keys = folder.url.appending(path: "last.keys").path
      let lost = try await ServiceProgram(on: folder, token: token)
      _ = try await Self.command(
        ["backup", "--to", backup, "--keys", keys], folder, folder.storage().environment)
      try await lost.kill()
      let other = TestFolder(engine: .postgres, databases: .whole())
      let said = try await Self.command(
        ["restore", "--from", backup, "--keys", keys], other, other.storage().environment)
      #expect(said.hasPrefix("Restored 1 dumps"))
      let program = try await ServiceProgram(on: other, token: token)
      let list = try await program.send(.GET, DumpPath.list).decoded(DumpList.self).value
      let dump = try #require(list.first)
      #expect(try await program.send(.GET, DumpPath.content(dump.id)).status == .ok)
      try await program.kill()
    }

    /// Runs a command to its end.
    /// - Returns: what it printed, without the line's end.
    private static func command(
      _ words: [String], _ folder: TestFolder, _ variables: [String: String]
    ) async throws -> String {
      let child = try ServiceProgram.launch(
        words + ["--data", folder.url.path], environment: variables)
      let ending = try await onThread { try child.waitForEnd() }
      #expect(ending == .exit(0), "\(child.errors)")
      return child.output.trimmingCharacters(in: .newlines)
    }

    // MARK: - Of two one is killed

    @Test func `a process killed while it stores a dump keeps no consent from being revoked`()
      async throws
    {
      let folder = TestFolder(engine: .postgres)
      try await ServiceBench.run(folder: folder, clock: .present(), log: LineLog()) { bench in
        try await bench.setConsent(.enabled)
        let dump = try await bench.sealer().seal(sampleDump())
        let other = try await Self.beside(folder, bench)
        // The other one gets as far as the table of contents, under the consent.
        let block = try await TableBlock("contents", of: folder)
        async let answer = other.send(
          .PUT, DevicePath.dump(device: ServiceBench.device, bootCount: 1, sequence: 1),
          .bytes(ByteBuffer(bytes: dump)))
        try await block.waitForQueue()
        try await other.kill()
        _ = try? await answer
        // This one serves on, and revokes.
        #expect(try await bench.parsedLease().isAllowed)
        let json = #"{"properties":{"allowCrashDumpsCollection":"Disabled"}}"#
        var status = try await bench.patch(ServiceBench.group.path, json).status
        for _ in 0..<2_000 where status == .serviceUnavailable {
          try await Task.sleep(for: .milliseconds(10))
          status = try await bench.patch(ServiceBench.group.path, json).status
        }
        #expect(status == .ok)
        #expect(try await bench.parsedLease().isAllowed == false)
        try await block.end()
        // What the killed one had begun is not stored behind the revocation.
        try await Self.settle(folder)
        #expect(try await bench.dumps().isEmpty)
      }
    }

    @Test func `a process killed while it deletes leaves its turn to another`() async throws {
      let folder = TestFolder(engine: .postgres)
      try await ServiceBench.run(folder: folder, clock: .present(), log: LineLog()) { bench in
        let block = try await TableBlock("crashWindows", of: folder)
        let other = try await Self.beside(folder, bench)
        let turn = PeriodicWork(
          name: RetentionSweep.turnName, database: bench.service.management.database)
        try await block.waitForQueue()
        #expect(try await turn.run {} == nil)
        try await other.kill()
        try await other.poll("turn") { try await turn.run {} != nil }
        try await block.end()
        _ = try await bench.service.deleteOverdue()
      }
    }

    /// A second service on the same databases, with a folder of its own.
    private static func beside(_ folder: TestFolder, _ bench: ServiceBench) async throws
      -> ServiceProgram
    {
      let storage = try await folder.storage()
      let own = folder.url.appending(path: "other")
      return try await ServiceProgram(
        child: ServiceProgram.launch(
          ["run", "--data", own.path, "--http", "--port", "0"], environment: storage.environment),
        token: try await bench.token())
    }

    /// Waits until nobody else uses the store of East US.
    private static func settle(_ folder: TestFolder) async throws {
      guard case .postgres(let storage) = try await folder.storage() else { return }
      let database = PostgresDatabase(try storage.targets(of: .usEast).dumps)
      let busy: SQLText = """
        SELECT count(*) AS value FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
        """
      for _ in 0..<2_000 {
        let count = try await database.rows(busy).first.map { try $0["value"] as Int }
        if count == 0 { return try await database.close() }
        try await Task.sleep(for: .milliseconds(5))
      }
      Issue.record("somebody still uses the store")
    }
  }
}
