// The page for Prometheus, read by a parser that lets nothing pass which Prometheus would not take.

import Foundation
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct MetricsTests {
  @Test func `the page is what Prometheus reads, whatever names boards have`() throws {
    let hostile = "unix:/a \"b\"\\c\n{d=\"e\"} 1"
    let bench = StatusTests.Bench("tty:/dev/ttyUSB0", hostile)
    let metrics = BridgeMetrics()
    bench.connect(hostile)
    for name in [BridgeEvent.Name.boardConnected, .boardConnected] {
      metrics.take(BridgeEvent(name, board: hostile))
    }
    metrics.take(.lease, nil)
    metrics.take(.upload, ServiceFailure(status: 500, code: "Unknown", message: ""))
    bench.board.serviceAnswered(nil)
    let lines = [hostile: LineCounts(frames: 5, damagedFrames: 2, repeats: 1, consoleBytes: 77)]
    let page = try PrometheusPage(metrics.page(bench.status, lines: lines))

    #expect(page["martlet_bridge_board_connections_total", ["board": hostile]] == 2)
    #expect(page["martlet_bridge_line_frames_damaged_total", ["board": hostile]] == 2)
    #expect(page["martlet_bridge_board_lease_left_seconds", ["board": hostile]] == 172_800)
    #expect(page["martlet_bridge_board_connected", ["board": "tty:/dev/ttyUSB0"]] == 0)
    #expect(page["martlet_bridge_boards"] == 2)
    #expect(page["martlet_bridge_boards_connected"] == 1)
    #expect(page["martlet_bridge_spool_bytes"] == 49_152)
    #expect(page["martlet_bridge_spool_oldest_age_seconds"] == 60)
    #expect(page["martlet_bridge_service_up"] == 1)
    #expect(
      page["martlet_bridge_service_requests_total", ["call": "upload", "outcome": "failing"]] == 1)
    // What is not known is not there: that board never told how many dumps it holds.
    #expect(page["martlet_bridge_board_dumps_waiting", ["board": "tty:/dev/ttyUSB0"]] == nil)
  }

  @Test func `each end of a dump is counted`() throws {
    let metrics = BridgeMetrics()
    func tell(_ name: BridgeEvent.Name, _ change: (inout BridgeEvent) -> Void = { _ in }) {
      metrics.take(BridgeEvent(name, board: "unix:/a").with(change))
    }
    for size in [100, 200] {
      tell(.dumpOffered)
      tell(.dumpSpooled) { $0.size = size }
      tell(.dumpUploaded) { $0.size = size }
    }
    tell(.dumpRefused) { $0.cause = .spoolFull }
    tell(.dumpRefused) { $0.cause = .spoolFull }
    tell(.dumpRefused)
    tell(.dumpPurged) { $0.count = 3 }
    tell(.console) { $0.text = "a\nb\nc" }
    let page = try PrometheusPage(metrics.page(StatusTests.Bench("unix:/a").status, lines: [:]))
    #expect(page["martlet_bridge_dumps_offered_total"] == 2)
    #expect(page["martlet_bridge_dumps_spooled_bytes_total"] == 300)
    #expect(page["martlet_bridge_dumps_uploaded_total"] == 2)
    #expect(page["martlet_bridge_dumps_refused_total", ["cause": "spoolFull"]] == 2)
    #expect(page["martlet_bridge_dumps_refused_total", ["cause": "other"]] == 1)
    #expect(page["martlet_bridge_dumps_refused_total", ["cause": "conflict"]] == 0)
    #expect(page["martlet_bridge_dumps_purged_total"] == 3)
    #expect(page["martlet_bridge_board_console_lines_total", ["board": "unix:/a"]] == 2)
  }

  @Test func `boards that come and go do not grow the page without end`() throws {
    let metrics = BridgeMetrics()
    for number in 0..<5_000 { metrics.take(BridgeEvent(.boardConnected, board: "unix:/\(number)")) }
    let page = try PrometheusPage(metrics.page(StatusTests.Bench().status, lines: [:]))
    let samples = page.samples.filter { $0.name == "martlet_bridge_board_connections_total" }
    #expect(samples.count == StatusBoard.mostBoards)
  }

  @Test(arguments: [
    "a 1\n", "# TYPE a counter\na 1", "# HELP a x\n# TYPE a counter\na 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"\\x\"} 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c} 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 1\n",
  ])
  func `the parser of these tests is strict`(page: String) {
    #expect(throws: PrometheusPage.Problem.self) { try PrometheusPage(page) }
  }
}
