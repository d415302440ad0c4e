// What a scrape shows after requests that the test knows.

import Foundation
import MartletTestKit
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct MetricsTests {
  private static func page(_ bench: ServiceBench) async throws -> PrometheusPage {
    let answer = try await bench.get("/metrics")
    #expect(answer.status == .ok)
    #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
    return try PrometheusPage(String(buffer: answer.body))
  }

  @Test func `dumps, offers and leases are counted by region and outcome`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let sealed = try await bench.sealer().seal(sampleDump())
      #expect(try await bench.send(sealed: sealed).status == .created)
      #expect(try await bench.send(sealed: sealed).status == .ok)
      #expect(try await bench.upload(sampleDump(memory: [9, 9, 9, 9])).status == .conflict)
      let epoch = try await bench.epoch()
      _ = try await bench.verdicts([
        bench.offer(bootCount: 1, epoch: epoch), bench.offer(bootCount: 2, epoch: epoch),
        bench.offer(bootCount: 2, epoch: epoch + 7),
      ])
      bench.clock.advance(seconds: 90)
      let page = try await Self.page(bench)

      #expect(
        page["martlet_service_dumps_total", ["region": "us-east", "outcome": "stored"]] == 1)
      #expect(
        page["martlet_service_dumps_total", ["region": "us-east", "outcome": "present"]] == 1)
      #expect(
        page["martlet_service_dumps_total", ["region": "us-east", "outcome": "conflict"]] == 1)
      #expect(
        page["martlet_service_dump_bytes_total", ["region": "us-east"]]
          == Double(sampleDump().count))
      #expect(page["martlet_service_oldest_dump_age_seconds", ["region": "us-east"]] == 90)
      #expect(page["martlet_service_oldest_dump_age_seconds", ["region": "eu"]] == 0)
      #expect(page["martlet_service_offers_total", ["verdict": "stored"]] == 1)
      #expect(page["martlet_service_offers_total", ["verdict": "send"]] == 1)
      #expect(page["martlet_service_offers_total", ["verdict": "refused"]] == 1)
      #expect(page["martlet_service_leases_total", ["outcome": "allowed"]] ?? 0 >= 2)
      #expect(page["martlet_service_commit_items_count", ["queue": "dumps-us-east"]] == 3)
      #expect(page["martlet_service_commit_waiting", ["queue": "dumps-us-east"]] == 0)
      #expect(
        page["martlet_service_requests_total", ["operation": "Bridges_PutDump", "status": "2xx"]]
          == 2)
      #expect(
        page[
          "martlet_service_refusals_total",
          ["operation": "Bridges_PutDump", "code": "DumpKeyTaken"]]
          == 1)
      #expect(
        page["martlet_service_request_duration_seconds_count", ["operation": "Bridges_PutDump"]]
          == 3)
      #expect(page["process_resident_memory_bytes"] ?? 0 > 1_000_000)
      #expect(page["process_open_fds"] ?? 0 > 3)
      #expect(page["process_start_time_seconds"] == 1_800_000_000)
    }
  }

  @Test func `what is over is counted when it is deleted`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      bench.clock.advance(seconds: 30 * 86_400)
      _ = try await bench.service.deleteOverdue()
      let page = try await Self.page(bench)
      #expect(page["martlet_service_deleted_dumps_total", ["region": "us-east"]] == 1)
      #expect(page["martlet_service_deleted_keys_total", ["region": "us-east"]] == 1)
      #expect(page["martlet_service_deleted_dumps_total", ["region": "eu"]] == 0)
      #expect(
        page["martlet_service_last_deletion_timestamp_seconds"]
          == bench.clock.now.timeIntervalSince1970)
    }
  }

  @Test func `a denied lease, a refusal and a route that is none are counted`() async throws {
    try await ServiceBench.run { bench in
      #expect(try await bench.lease().status == .ok)
      #expect(try await bench.get("/no/such/route").status == .notFound)
      #expect(try await bench.calling(as: .nobody).get(DumpPath.list).status == .unauthorized)
      let page = try await Self.page(bench)
      #expect(page["martlet_service_leases_total", ["outcome": "denied"]] == 1)
      #expect(
        page["martlet_service_refusals_total", ["operation": "None", "code": "RouteNotFound"]] == 1)
      #expect(
        page[
          "martlet_service_refusals_total",
          ["operation": "Dumps_List", "code": "AuthenticationRequired"]] == 1)
    }
  }

  @Test func `no name, id or address is ever a label`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      let text = String(buffer: try await bench.get("/metrics").body)
      let device = String(ServiceBench.device.prefix(16))
      for word in ["plant", "DW100", "Field", device, "127.0.0.1", "mt_"] {
        #expect(!text.contains(word), "\(word)")
      }
    }
  }

  @Test func `a database that fails is counted by its reason`() async throws {
    try await ServiceBench.run { bench in
      try await bench.service.dumps.eu.close()
      #expect(try await bench.get(DumpPath.list).status == .serviceUnavailable)
      let page = try await Self.page(bench)
      #expect(page["martlet_service_database_failures_total", ["code": "unavailable"]] == 1)
      #expect(page["martlet_service_oldest_dump_age_seconds", ["region": "us-west"]] == 0)
    }
  }

  @Test func `open connections are counted and those that went are not`() async throws {
    try await ServiceBench.run(live: true) { bench in
      let page = try await Self.page(bench)
      #expect(page["martlet_service_connections"] == 1)
    }
  }

  @Test func `a caller of some catalogs does not see the numbers of all`() async throws {
    try await ServiceBench.run { bench in
      let narrow = bench.calling(as: .reader, in: [ServiceBench.catalog])
      let refused = try await narrow.get("/metrics")
      #expect(refused.code == "CatalogOutOfScope")
      #expect(try await bench.calling(as: .reader).get("/metrics").status == .ok)
    }
  }
}
