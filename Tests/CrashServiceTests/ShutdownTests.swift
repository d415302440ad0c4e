// The end of the program: readiness first, then connections, then what was accepted.

import AsyncHTTPClient
import Foundation
import MartletTestKit
import NIOCore
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

extension ProgramTests {
  @Suite(.timeLimit(.minutes(3))) struct ShutdownTests {
    private static let path =
      ServiceBench.catalog.path + ResourceManagerPath.query(of: ServiceBench.catalog.path)
    private static let body = #"{"tags":{"of":"the end"}}"#

    /// A program with a request of which half has come.
    private static func withHalfARequest(
      _ options: [String],
      _ check:
        @Sendable (
          ServiceProgram, _ rest: ServiceProgram.Body.Continuation, Task<Answer, any Error>
        )
        async throws -> Void
    ) async throws {
      let folder = TestFolder()
      let made = Mutex("")
      try await ServiceBench.run(folder: folder, setUp: false, clock: .present()) { bench in
        let token = try await bench.token()
        made.withLock { $0 = token }
      }
      let program = try await ServiceProgram(on: folder, token: made.withLock { $0 }, options)
      let (stream, rest) = ServiceProgram.Body.makeStream()
      let half = body.utf8.count / 2
      rest.yield(ByteBuffer(bytes: body.utf8.prefix(half)))
      let answer = Task {
        try await program.send(.PUT, path, .stream(stream, length: .known(Int64(body.utf8.count))))
      }
      try await program.poll("second connection") {
        let page = try await program.send(.GET, "/metrics")
        return String(buffer: page.body).contains("martlet_service_connections 2\n")
      }
      try await check(program, rest, answer)
      rest.finish()
      _ = try? await answer.value
      // It is on the disk all the same whether the answer came.
      try await program.kill()
    }

    private static func waitUntilRefused(_ program: ServiceProgram) async throws {
      try await program.poll("refused connection") {
        (try? await program.send(.GET, "/healthz")) == nil
      }
    }

    @Test func `readiness turns first, then what was accepted is finished`() async throws {
      try await Self.withHalfARequest(["--shutdown-delay", "3", "--shutdown-timeout", "60"]) {
        program, rest, answer in
        #expect(try await program.send(.GET, "/readyz").status == .ok)
        program.child.send(SIGTERM)
        try await program.poll("readiness that turned") {
          try await program.send(.GET, "/readyz").status == .serviceUnavailable
        }
        // Whoever does not know yet is served still.
        #expect(try await program.send(.GET, "/healthz").status == .ok)
        try await Self.waitUntilRefused(program)
        #expect(!program.child.hasEnded)
        rest.yield(ByteBuffer(bytes: Self.body.utf8.dropFirst(Self.body.utf8.count / 2)))
        rest.finish()
        #expect(try await answer.value.status == .created)
        #expect(try await program.waitForEnd() == .exit(0))
      }
    }

    @Test func `a caller that never finishes holds the end up for a bounded time`() async throws {
      try await Self.withHalfARequest(["--shutdown-timeout", "1"]) { program, _, answer in
        program.child.send(SIGTERM)
        let end = try await program.waitForEnd()
        #expect(end == .exit(0))
        await #expect(throws: (any Error).self) { try await answer.value }
      }
    }

    @Test func `a second signal ends it at once`() async throws {
      try await Self.withHalfARequest(["--shutdown-timeout", "3600"]) { program, _, _ in
        program.child.send(SIGTERM)
        try await Self.waitUntilRefused(program)
        #expect(!program.child.hasEnded)
        program.child.send(SIGTERM)
        #expect(try await program.waitForEnd() == .signal(SIGTERM))
      }
    }
  }
}
