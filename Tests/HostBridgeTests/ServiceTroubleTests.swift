// Whatever answers in the service's place: nothing is lost, it is told apart, nobody is pestered.

import DumpFormat
import Foundation
import MartletTestKit
import ServiceAPI
import Synchronization
import Testing

@testable import HostBridge

/// One way in which a service goes wrong.
enum ServiceTrouble: String, CaseIterable, Sendable {
  case noHTTP, portalPage, portalRedirect, truncatedBody, endsInHead, wrongJSON, emptyAnswer
  case status500, status502, status429, status503, closesAtOnce, neverAnswers, dripsAnswer, hugeBody

  var reply: RawServer.Reply {
    let page = "<html><title>Welcome to our network</title></html>"
    return switch self {
    case .noHTTP: .end("220 mail.example.org ESMTP\r\n")
    case .portalPage: .answer("200 OK", page, headers: ["Content-Type: text/html"])
    case .portalRedirect:
      .answer("302 Found", page, headers: ["Location: http://127.0.0.1:1/login"])
    case .truncatedBody: .end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"verdicts\":[")
    case .endsInHead: .end("HTTP/1.1 200 OK\r\nContent-Le")
    case .wrongJSON: .answer("200 OK", #"{"verdicts":"all of them","id":7}"#)
    case .emptyAnswer: .answer("200 OK", "")
    case .status500: .answer("500 Internal Server Error", page)
    case .status502: .answer("502 Bad Gateway", page)
    case .status429: .answer("429 Too Many Requests", "", headers: ["Retry-After: 300"])
    case .status503:
      .answer(
        "503 Service Unavailable", #"{"error":{"code":"Busy","message":"Later."}}"#,
        headers: [
          // A clock that is years away from ours.
          "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:54:37 GMT",
        ])
    case .closesAtOnce: .end("")
    case .neverAnswers: .silence
    case .dripsAnswer: .drip("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    case .hugeBody: .answer("200 OK", String(repeating: " ", count: 3 << 20))
    }
  }

  var condition: ServiceReport.Condition {
    switch self {
    case .noHTTP, .portalPage, .portalRedirect, .wrongJSON, .emptyAnswer, .hugeBody: .notUnderstood
    case .truncatedBody, .endsInHead, .closesAtOnce, .neverAnswers, .dripsAnswer: .unreachable
    case .status500, .status502: .failing
    case .status429, .status503: .busy
    }
  }

  /// Whether the bridge's patience ends it.
  var isSlow: Bool { self == .neverAnswers || self == .dripsAnswer }

  /// The least time after which the service may be asked again.
  var quiet: Duration { self == .status429 || self == .status503 ? .seconds(300) : .zero }
}

@Suite(.timeLimit(.minutes(2))) struct ServiceTroubleTests {
  /// Where on a dump's way the trouble is.
  enum Stage: CaseIterable { case offer, upload }

  @Test(arguments: ServiceTrouble.allCases, Stage.allCases)
  func `a service in trouble loses nothing, and has the dump once it is well`(
    trouble: ServiceTrouble, stage: Stage
  ) async throws {
    try await TemporaryDirectory.with { folder in
      try await RawServer.with({
        $0.line.hasPrefix("PUT") == (stage == .upload) ? trouble.reply : .healthy($0)
      }) { server, port in
        let spool = try Spool(folder: folder.path)
        let clock = ManualClock()
        let failures = FailureLog()
        let client = ObservedServiceClient(
          try HTTPServiceClient(
            service: "http://127.0.0.1:\(port)",
            timeout: trouble.isSlow ? .milliseconds(300) : .seconds(60)),
          observer: failures.note)
        let uploader = Uploader(
          spool: spool, service: client, clock: BridgeClock(clock),
          generator: SeededGenerator(seed: 1))
        let dump = Sample(key(1, 1), size: 16_000)
        #expect(try await spool.store(dump) == .stored)
        for attempt in 1...2 {
          let next = try #require(await uploader.pass())
          #expect(next >= clock.now.offset + trouble.quiet)
          let requests = server.seen.requests.count
          // A machine that is slow itself may not get as far as the trouble before patience ends.
          #expect(requests == attempt * (stage == .offer ? 1 : 2) || trouble.isSlow)
          // Nothing before its time.
          _ = await uploader.pass()
          #expect(server.seen.requests.count == requests || trouble.isSlow)
          clock.advance(by: next - clock.now.offset)
        }
        #expect(failures.conditions == [trouble.condition], "\(failures.messages)")
        #expect(try await spool.standing(of: dump) == .known(.stored))
        #expect(try await spool.bytes(of: dump.identity) == dump.bytes)

        server.answer { .healthy($0) }
        let again = Uploader(
          spool: spool, service: try HTTPServiceClient(service: "http://127.0.0.1:\(port)"))
        #expect(await (trouble.isSlow ? again : uploader).pass() == nil)
        #expect(try await spool.standing(of: dump) == .known(.uploaded))
        #expect(server.seen.requests.last?.body == dump.bytes)
      }
    }
  }

  @Test func `calls share a connection that is kept alive`() async throws {
    try await TemporaryDirectory.with { folder in
      try await RawServer.with({ .healthy($0) }) { server, port in
        let spool = try Spool(folder: folder.path)
        let uploader = Uploader(
          spool: spool, service: try HTTPServiceClient(service: "http://127.0.0.1:\(port)"))
        for sequence in 1...10 as ClosedRange<UInt32> {
          #expect(try await spool.store(Sample(key(1, sequence))) == .stored)
          #expect(await uploader.pass() == nil)
        }
        #expect(server.seen.requests.count == 20)
        #expect(server.seen.connections == 1)
      }
    }
  }

  @Test func `a service that is away for 29 days is asked no more than twice a minute`()
    async throws
  {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let service = FakeService()
      let clock = ManualClock()
      service.set { $0.offerFailure = .unreachable }
      let uploader = Uploader(
        spool: spool, service: service, clock: BridgeClock(clock), events: { _ in },
        generator: SeededGenerator.fromEnvironment())
      // Desks full of boards ask no more than one does.
      for board in 10..<74 {
        #expect(try await spool.store(Sample(key(1, 1), device: "\(board)")) == .stored)
      }
      let hours = 3
      var longest = Duration.zero
      while clock.now.offset < .seconds(3_600 * hours) {
        let next = try #require(await uploader.pass())
        longest = max(longest, next - clock.now.offset)
        clock.advance(by: max(.zero, next - clock.now.offset))
      }
      print("64 boards, service away: \(service.now.offers.count) requests in \(hours) hours")
      // Pauses are thirty seconds on average.
      #expect(service.now.offers.count < 150 * hours)
      #expect(longest <= .seconds(60))
      // A jump of the clock, as after a long sleep, is one attempt and not many.
      let before = service.now.offers.count
      clock.advance(by: .seconds(29 * 86_400))
      _ = await uploader.pass()
      #expect(service.now.offers.count <= before + ServiceGate.mostCalls)

      service.set { $0.offerFailure = nil }
      clock.advance(by: .seconds(60))
      #expect(await uploader.pass() == nil)
      #expect(service.now.stored.count == 64)
    }
  }

  @Test func `devices take turns, and no more than four calls run at a time`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let service = FakeService()
      let uploader = Uploader(spool: spool, service: service, events: { _ in })
      // One device has a backlog, and came first.
      for sequence in 1...100 as ClosedRange<UInt32> {
        #expect(try await spool.store(Sample(key(1, sequence), device: "10")) == .stored)
      }
      for board in 11..<31 {
        #expect(try await spool.store(Sample(key(1, 1), device: "\(board)")) == .stored)
      }
      #expect(await uploader.pass() == nil)
      let order = service.now.uploads.map { String($0.device.prefix(2)) }
      #expect(order.count == 120)
      // All others were done before the backlog's third turn.
      let lastOther = order.lastIndex { $0 != "10" } ?? 0
      #expect(order[...lastOther].count { $0 == "10" } <= 3 * Uploader.turnLength)
    }
  }
}

/// What calls failed by.
final class FailureLog: Sendable {
  private let failures = Mutex<[ServiceFailure]>([])

  var note: ServiceObserver {
    { _, failure in self.failures.withLock { $0 += failure.map { [$0] } ?? [] } }
  }

  var conditions: Set<ServiceReport.Condition> {
    Set(failures.withLock { $0 }.map(\.condition))
  }
  var messages: [String] { failures.withLock { $0 }.map(\.description) }
}
