// What the service says of its condition, and when it is not sent requests.

import Foundation
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct ReadinessTests {
  @Test func `a service that has everything is alive and ready without a login`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      let nobody = bench.calling(as: .nobody)
      #expect(try await nobody.get("/healthz").status == .ok)
      let answer = try await nobody.get("/readyz")
      #expect(answer.status == .ok)
      let report = try answer.decoded(ReadinessReport.self)
      #expect(report.isReady)
      #expect(
        report.checks.map(\.name) == [
          "running", "database.management", "database.eu", "database.eu-keys", "database.us-east",
          "database.us-east-keys", "database.us-west", "database.us-west-keys", "disk", "clock",
        ])
    }
  }

  @Test func `a database that is away is named, and the rest is still told`() async throws {
    try await ServiceBench.run { bench in
      try await bench.service.dumps.usWest.close()
      let answer = try await bench.calling(as: .nobody).get("/readyz")
      #expect(answer.status == .serviceUnavailable)
      #expect(answer.headers[.retryAfter] == "5")
      let report = try answer.decoded(ReadinessReport.self)
      #expect(
        report.checks.filter { !$0.isOK }.map(\.name)
          == ["database.us-west", "database.us-west-keys"])
      #expect(try await bench.get("/healthz").status == .ok)
      let page = String(buffer: try await bench.get("/metrics").body)
      #expect(page.contains("martlet_service_ready{check=\"database.us-west\"} 0\n"))
      #expect(page.contains("martlet_service_ready{check=\"database.eu\"} 1\n"))
    }
  }

  @Test(arguments: [(63 << 20, false), (64 << 20, true)])
  func `a disk with little room left is told`(free: Int, isReady: Bool) async {
    let report = await Readiness([.disk { free }]).report()
    #expect(report.isReady == isReady)
  }

  @Test func `what a disk has is what the system says`() throws {
    #expect(try #require(freeBytes(of: FileManager.default.temporaryDirectory)) > 0)
    #expect(freeBytes(of: URL(fileURLWithPath: "/no/such/folder")) == nil)
  }

  @Test func `a service that is about to end is not ready`() async {
    let readiness = Readiness()
    #expect(await readiness.report().isReady)
    readiness.beginStopping()
    #expect(await readiness.report().checks.map(\.isOK) == [false])
  }

  @Test func `what never answers holds up nothing but its own check`() async {
    let (never, end) = AsyncStream<Void>.makeStream()
    let stuck = Readiness.Check(name: "stuck") {
      for await _ in never {}
      return nil
    }
    let report = await Readiness(
      [stuck, Readiness.Check(name: "well") { nil }], patience: .milliseconds(10)
    ).report()
    end.finish()
    #expect(report.checks.map(\.isOK) == [true, false, true])
  }

  @Test func `many who ask at once are answered by one look`() async {
    let looks = Mutex(0)
    let (open, gate) = AsyncStream<Void>.makeStream()
    let check = Readiness.Check(name: "slow") {
      looks.withLock { $0 += 1 }
      for await _ in open {}
      return nil
    }
    let readiness = Readiness([check], patience: .seconds(600))
    async let first = readiness.report()
    while looks.withLock({ $0 }) == 0 { await Task.yield() }
    let others = (0..<100).map { _ in Task { await readiness.report() } }
    gate.finish()
    for other in others { #expect(await other.value.isReady) }
    #expect(await first.isReady)
    // One who came after the answer may have made a second look.
    #expect(looks.withLock { $0 } < 100)
  }
}
