// A bridge that is left running: what it says of itself over its socket and to Prometheus.

import AsyncHTTPClient
import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(3))) struct OperatingTests {
    /// A board's address at which there is never a board.
    private static func absent(_ desk: Desk) -> String {
      "unix:" + desk.folder.file("absent.sock").path
    }

    /// Asks until the bridge's status is as wanted.
    private static func status(
      of desk: Desk, _ what: String, _ isWanted: (BridgeStatus) -> Bool
    ) throws -> BridgeStatus {
      try poll(for: what) {
        guard let status = try? BridgeStatus(json: Data(desk.askBridge("--json").output.utf8)),
          isWanted(status)
        else { return nil }
        return status
      }
    }

    @Test func `without a bridge status says how to start one`() async throws {
      let asked = try await Desk.with(serving: false) { try $0.askBridge() }
      #expect(asked.code == 1)
      #expect(asked.output.isEmpty)
      #expect(asked.errors.contains("no bridge answers on"))
      #expect(asked.errors.contains("martlet-bridge run --board"))
    }

    @Test func `a board with its lease and a service that answers are well`() async throws {
      let seen = try await Desk.with(serving: false) { desk in
        let rack = try BoardRack(1, in: desk.folder)
        defer { rack.close() }
        let filled = try desk.fill(rack, dumps: 2, size: 8_000)
        try desk.startBridge(
          at: rack.places.map(\.address), ["--console-log", desk.folder.file("consoles").path])
        let status = try Self.status(of: desk, "two uploads") { status in
          status.attention.isEmpty && status.boards.first?.lastDump?.standing == "uploaded"
            && status.boards.first?.dumpsWaiting == 0 && status.spool?.waiting == 0
        }
        return (
          status: status, people: try desk.askBridge(), address: rack.places[0].address,
          device: filled[0].device
        )
      }
      let board = try #require(seen.status.boards.first)
      #expect(board.address == seen.address && board.device == seen.device)
      #expect(board.lease?.state == "allowed")
      #expect((board.lease?.secondsLeft ?? 0) > 0)
      #expect(board.consoleLog?.contains("/consoles/unix-") == true)
      #expect(seen.status.service.condition == .ok)
      #expect(seen.people.code == 0)
      #expect(seen.people.output.hasSuffix("All is well.\n"))
    }

    @Test func `a service that is down and a board that is away are named`() async throws {
      let seen = try await Desk.with(serving: false) { desk in
        let rack = try BoardRack(1, in: desk.folder)
        defer { rack.close() }
        _ = try desk.fill(rack, dumps: 1, size: 8_000)
        desk.killService()
        try desk.startBridge(at: [rack.places[0].address, Self.absent(desk)])
        let status = try Self.status(of: desk, "a service that is down") {
          $0.service.condition == .unreachable && $0.boards.contains { $0.problem != nil }
            && $0.boards.contains { $0.lease?.problem != nil }
        }
        return (status: status, people: try desk.askBridge(), absent: Self.absent(desk))
      }
      #expect(
        Set(seen.status.attention.map(\.code)) == ["serviceUnreachable", "boardAway", "leaseFails"])
      let away = seen.status.attention.first { $0.code == "boardAway" }
      #expect(away?.board == seen.absent)
      #expect(away?.message.contains("cannot connect to") == true)
      #expect(seen.people.code == 2)
      #expect(seen.people.output.contains("DOES NOT ANSWER"))
      #expect(seen.people.output.contains("Dumps wait here."))
    }

    @Test(arguments: [
      ("500 Internal Server Error", "oops", ServiceReport.Condition.failing, "FAILS"),
      ("429 Too Many Requests", "", .busy, "BUSY"),
      ("200 OK", "<html>login</html>", .notUnderstood, "IS NO MARTLET SERVICE"),
    ])
    func `what a service answers instead is said in words`(
      answer: String, body: String, condition: ServiceReport.Condition, words: String
    ) async throws {
      let seen = try await Desk.with(serving: false) { desk in
        let rack = try BoardRack(1, in: desk.folder)
        defer { rack.close() }
        _ = try desk.fill(rack, dumps: 1, size: 8_000)
        let stub = try CannedService(status: answer, body: body)
        defer { stub.close() }
        try desk.startBridge(
          at: rack.places.map(\.address), ["--service", "http://127.0.0.1:\(stub.port)"])
        _ = try Self.status(of: desk, answer) { $0.service.condition == condition }
        return try desk.askBridge()
      }
      #expect(seen.code == 2)
      #expect(seen.output.contains(words))
    }

    @Test func `a second bridge is refused, and one after a kill is not`() async throws {
      let seen = try await Desk.with(serving: false) { desk in
        let first = try desk.startBridge(at: [Self.absent(desk)])
        let before = try Self.status(of: desk, "the first") { _ in true }
        let second = try desk.startBridge(
          at: [Self.absent(desk)], ["--spool", desk.folder.file("other").path])
        let refusal = try second.waitForEnd()
        let words = second.errors
        first.kill()
        try desk.startBridge(at: [Self.absent(desk)])
        let after = try Self.status(of: desk, "the third") { $0.bridge.pid != before.bridge.pid }
        return (
          pid: before.bridge.pid, first: first.identifier, refusal: refusal, words: words,
          after: after.bridge.pid
        )
      }
      #expect(seen.pid == seen.first)
      #expect(seen.refusal == .exit(1))
      #expect(seen.words.contains("a bridge runs already with pid \(seen.first)"))
      #expect(seen.after != seen.first)
    }

    @Test func `Prometheus gets its page from the loopback port`() async throws {
      let seen = try await Desk.with(serving: false) { desk in
        let bridge = try desk.startBridge(at: [Self.absent(desk)], ["--metrics-port", "0"])
        let mark = "metrics are on "
        try bridge.wait(for: "the metrics' port") { _, errors in errors.contains("/metrics\n") }
        let url = bridge.errors.components(separatedBy: mark)[1].prefix { !$0.isNewline }
        let answer = try HTTPClient.shared.get(url: String(url)).wait()
        return (
          type: answer.headers.first(name: "Content-Type"),
          page: answer.body.map { String(buffer: $0) } ?? "", url: String(url)
        )
      }
      #expect(seen.url.hasPrefix("http://127.0.0.1:"))
      #expect(seen.type == "text/plain; version=0.0.4; charset=utf-8")
      let page = try PrometheusPage(seen.page)
      #expect(page["martlet_bridge_boards"] == 1)
      #expect(page["martlet_bridge_boards_connected"] == 0)
      #expect((page["process_resident_memory_bytes"] ?? 0) > 1_000_000)
      #expect((page["process_open_fds"] ?? 0) > 3)
    }
  }
}

/// A server that gives every request the same answer.
private final class CannedService: Sendable {
  let port: Int
  private let listener: Int32

  init(status: String, body: String) throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 16) == 0
          && getsockname(listener, $0, &size) == 0
      }
    }
    guard isBound else { throw ProcessFailure(.cannotStart, "no port: \(errno)") }
    port = Int(UInt16(bigEndian: address.sin_port))
    let answer =
      "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    Thread.detachNewThread {
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { return }
        // One request comes in one piece here; its content does not matter.
        var request = [UInt8](repeating: 0, count: 1 << 16)
        _ = recv(connection, &request, request.count, 0)
        _ = send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
        shutdown(connection, Int32(SHUT_WR))
        // Until the client has it all: closing early would reset the connection.
        while recv(connection, &request, request.count, 0) > 0 {}
        Foundation.close(connection)
      }
    }
  }

  func close() {
    shutdown(listener, Int32(SHUT_RDWR))
    Foundation.close(listener)
  }
}
