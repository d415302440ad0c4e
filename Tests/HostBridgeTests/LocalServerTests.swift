// The bridge's socket: one bridge has it, its user alone may use it, and no client disturbs it.

import Foundation
import MartletTestKit
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct LocalServerTests {
  @Test func `a request is answered and the socket is for its user alone`() async throws {
    try await withServer { path async throws in
      let answer = try await RawClient.get("/hello?x=1", of: path)
      #expect(answer.status == 200)
      #expect(answer.body == "GET /hello")
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      let folder = try FileManager.default.attributesOfItem(
        atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path)
      #expect(folder[.posixPermissions] as? Int == 0o700)
    }
  }

  @Test func `a second bridge is told that one runs and its pid`() async throws {
    try await withServer { path async throws in
      let error = await #expect(throws: HostBridgeError.self) {
        try await LocalServer.listen(onSocket: path, handler: Self.echo)
      }
      #expect(error?.code == .socketInUse)
      #expect(
        error?.message == "a bridge runs already with pid \(getpid()) and answers on \(path)")
      #expect(try await RawClient.get("/still", of: path).body == "GET /still")
    }
  }

  @Test func `the socket of a killed bridge is replaced`() async throws {
    try await TemporaryDirectory.with { folder in
      let path = folder.file("bridge.sock").path
      // What kill -9 leaves: a socket that nobody listens on, and a lock file that nobody holds.
      let dead = try StatusSocket.open(path: path)
      close(dead.descriptor)
      dead.abandon()
      try Data("999999999\n".utf8).write(to: folder.file("bridge.sock.lock"))
      #expect(FileManager.default.fileExists(atPath: path))
      try await serve(at: path) { () async throws in
        #expect(try await RawClient.get("/", of: path).status == 200)
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func `what is not a bridge's socket is left alone`() async throws {
    try await TemporaryDirectory.with { folder in
      let file = folder.file("precious")
      try Data("kept".utf8).write(to: file)
      let error = await #expect(throws: HostBridgeError.self) {
        try await LocalServer.listen(onSocket: file.path, handler: Self.echo)
      }
      #expect(error?.code == .socketUnavailable)
      #expect(try Data(contentsOf: file) == Data("kept".utf8))

      let open = folder.file("open")
      try FileManager.default.createDirectory(at: open, withIntermediateDirectories: false)
      #expect(chmod(open.path, 0o777) == 0)
      let refused = await #expect(throws: HostBridgeError.self) {
        try await LocalServer.listen(
          onSocket: open.appendingPathComponent("s").path, handler: Self.echo)
      }
      #expect(refused?.message.contains("everybody may write in its folder") == true)
      let long = await #expect(throws: HostBridgeError.self) {
        try await LocalServer.listen(
          onSocket: folder.path + "/" + String(repeating: "x", count: 120), handler: Self.echo)
      }
      #expect(long?.message.contains("107 bytes") == true)
    }
  }

  @Test func `clients that say nothing, garbage or too much are cut off`() async throws {
    var limits = LocalServer.Limits()
    limits.connections = 4
    limits.patience = .milliseconds(200)
    limits.requestBytes = 4_096
    var generator = SeededGenerator.fromEnvironment()
    let garbage = (0..<20).map { _ in generator.bytes(3_000) }
    try await withServer(limits) { path async throws in
      try await onThread {
        // Held open until the server closes them.
        let silent = (0..<8).compactMap { _ in RawClient(path) }
        #expect(silent.count == 8)
        for client in silent { #expect(client.receiveAll().isEmpty) }

        for bytes in garbage {
          let client = RawClient(path)
          client?.send(bytes)
          let answer = String(decoding: client?.receiveAll() ?? [], as: UTF8.self)
          #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400"))
        }
        let large = RawClient(path)
        large?.send("GET / HTTP/1.1\r\n")
        let header = Array("X: \(String(repeating: "y", count: 1_000))\r\n".utf8)
        var sent = 0
        while large?.send(header) == true { sent += header.count }
        // The rest is what a socket buffers.
        #expect(sent < 1 << 20)
      }
      // On a busy machine this client, too, may be too slow for so short a patience.
      var body = ""
      for _ in 0..<100 where body.isEmpty {
        body = try await RawClient.get("/after", of: path).body
      }
      #expect(body == "GET /after")
    }
  }

  @Test func `one client too many is closed and the others are answered`() async throws {
    var limits = LocalServer.Limits()
    limits.connections = 4
    limits.patience = .seconds(600)
    let gate = Gate()
    let handler: LocalServer.Handler = { request in
      while !gate.isOpen.withLock({ $0 }) { await Task.yield() }
      return await Self.echo(request)
    }
    try await withServer(limits, handler: handler) { path async throws in
      let answered = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<5 {
          group.addTask {
            let isAnswered = try await RawClient.get("/", of: path).status == 200
            if !isAnswered { gate.isOpen.withLock { $0 = true } }
            return isAnswered
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(answered == 4)
    }
  }

  @Test func `a client that does not read its answer is left, and others are served`() async throws
  {
    var limits = LocalServer.Limits()
    // Time enough for a reader on a busy machine.
    limits.patience = .seconds(60)
    let size = 8 << 20
    try await withServer(
      limits,
      handler: { request in
        let count = request.path == "/large" ? size : 5
        return .init(
          type: "text/plain", body: .bytes([UInt8](repeating: UInt8(ascii: "z"), count: count)))
      },
      { path async throws in
        try await onThread {
          let slow = RawClient(path)
          slow?.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(slow?.receive(atMost: 100).count == 100)
          _ = slow
        }
        #expect(try await RawClient.get("/small", of: path).body == "zzzzz")
        // Who reads gets all of it.
        #expect(try await RawClient.get("/large", of: path).body.utf8.count == size)
      })
  }

  @Test func `only GET and HEAD are answered`() async throws {
    try await withServer { path async throws in
      try await onThread {
        let client = RawClient(path)
        client?.send("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n")
        let answer = String(decoding: client?.receiveAll() ?? [], as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 405"))
      }
    }
  }

  @Test func `a port is on the loopback interface alone and taken once`() async throws {
    let server = try await LocalServer.listen(onPort: 0, handler: Self.echo)
    await #expect(throws: HostBridgeError.self) {
      try await LocalServer.listen(onPort: server.port ?? 0, handler: Self.echo)
    }
    #expect(server.place == "http://127.0.0.1:\(server.port ?? 0)")
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await server.run() }
      group.cancelAll()
    }
  }

  // MARK: - Support

  private final class Gate: Sendable {
    let isOpen = Mutex(false)
  }

  private static let echo: LocalServer.Handler = { request in
    .init(type: "text/plain", body: .bytes(Array("\(request.method) \(request.path)".utf8)))
  }

  private func withServer(
    _ limits: LocalServer.Limits = .patient, handler: @escaping LocalServer.Handler = echo,
    _ body: @Sendable (String) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let path = folder.file("run/bridge.sock").path
      try await serve(at: path, limits, handler) { try await body(path) }
    }
  }

  private func serve(
    at path: String, _ limits: LocalServer.Limits = .patient,
    _ handler: @escaping LocalServer.Handler = echo, _ body: @Sendable () async throws -> Void
  ) async throws {
    let server = try await LocalServer.listen(onSocket: path, limits: limits, handler: handler)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await server.run() }
      try await body()
      group.cancelAll()
      try await group.waitForAll()
    }
  }
}

extension LocalServer.Limits {
  /// For tests that are about something else: on a busy machine a client takes its time.
  static var patient: Self {
    var limits = Self()
    limits.patience = .seconds(120)
    return limits
  }
}
