// The page that Prometheus fetches.

import Foundation
import PrometheusMetrics

extension BridgeMetrics {
  /// The path of the page.
  public static let path = "/metrics"

  /// Answers requests for the page.
  public func handler(_ reporter: StatusReporter) -> LocalServer.Handler {
    { request in
      guard request.path == Self.path else { return .text(404, "metrics are at \(Self.path)") }
      let page = self.page(await reporter.status(), lines: await reporter.lineCounts())
      return .init(type: MetricsText.type, body: .bytes(Array(page.utf8)))
    }
  }

  /// The page for this moment.
  ///
  /// - Parameter lines: what each board's line has carried.
  func page(_ status: BridgeStatus, lines: [String: LineCounts]) -> String {
    let now = now
    var page = MetricsText()
    page.family(
      "martlet_bridge_info", .gauge, "Always 1, with the version as a label",
      [(["version": status.bridge.version], 1)])
    addDumps(now, &page)
    addService(now, status.service, &page)
    addSpool(status, &page)
    addBoards(now, status.boards, &page)
    addLines(lines, &page)
    page.single(
      "martlet_bridge_warnings_total", .counter, "Warnings of the bridge", Double(now.warnings))
    page.single(
      "martlet_bridge_console_log_lost_bytes_total", .counter,
      "Console text that the log's disk did not take",
      status.consoleLog.map { Double($0.lostBytes) })
    page.single(
      "martlet_bridge_attention_items", .gauge, "Things that martlet-bridge status asks to look at",
      Double(status.attention.count))
    addProcess(status.bridge, &page)
    return page.text
  }

  private func addDumps(_ now: Counters, _ page: inout MetricsText) {
    func counter(_ name: String, _ help: String, _ value: Int) {
      page.single("martlet_bridge_\(name)_total", .counter, help, Double(value))
    }
    counter("dumps_offered", "Dumps that boards offered, again after a reconnect", now.offered)
    counter("dumps_spooled", "Dumps that became durable in the spool", now.spooled)
    counter("dumps_spooled_bytes", "Bytes of the dumps that were spooled", now.spooledBytes)
    counter("dumps_uploaded", "Dumps that became durable at the service", now.uploaded)
    counter("dumps_uploaded_bytes", "Bytes of the dumps that were uploaded", now.uploadedBytes)
    counter("dumps_purged", "Dumps deleted from the spool for want of consent", now.purged)
    counter("dumps_purged_bytes", "Bytes of the dumps that were purged", now.purgedBytes)
    counter("dumps_evicted", "Dumps given up for newer ones when the spool was full", now.evicted)
    counter("dumps_expired", "Dumps deleted from the spool because they grew too old", now.expired)
    page.family(
      "martlet_bridge_dumps_refused_total", .counter,
      "Dumps that bridge or service did not take, by cause",
      BridgeEvent.Cause.allCases.map { (["cause": $0.rawValue], Double(now.refused[$0] ?? 0)) })
  }

  private func addService(_ now: Counters, _ report: ServiceReport, _ page: inout MetricsText) {
    page.family(
      "martlet_bridge_service_requests_total", .counter,
      "Calls to the service that ended, by how it answered",
      now.calls.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap { call, outcomes in
        outcomes.sorted { $0.key < $1.key }.map { outcome, count in
          (["call": call.rawValue, "outcome": outcome], Double(count))
        }
      })
    page.single(
      "martlet_bridge_service_up", .gauge, "Whether the service answered the last call to it",
      report.condition == .unknown ? nil : report.condition == .ok ? 1 : 0)
    page.single(
      "martlet_bridge_service_last_success_timestamp_seconds", .gauge,
      "When the service answered last", report.lastSuccess?.timeIntervalSince1970)
  }

  private func addSpool(_ status: BridgeStatus, _ page: inout MetricsText) {
    page.single(
      "martlet_bridge_spool_healthy", .gauge, "Whether the spool's disk takes dumps",
      (status.spool?.condition ?? status.spoolCondition).map { $0.isTrouble ? 0 : 1 })
    guard let spool = status.spool else { return }
    page.family(
      "martlet_bridge_spool_dumps", .gauge, "Dumps in the spool, by what they wait for",
      [
        (["state": "waiting"], Double(spool.waiting)),
        (["state": "rejected"], Double(spool.rejected)),
      ])
    page.single(
      "martlet_bridge_spool_bytes", .gauge, "Bytes of the dumps in the spool", Double(spool.bytes))
    page.single(
      "martlet_bridge_spool_limit_bytes", .gauge, "Most bytes of dumps that the spool keeps",
      Double(spool.byteLimit))
    page.single(
      "martlet_bridge_spool_oldest_age_seconds", .gauge, "How long the oldest dump has been here",
      spool.oldestAgeSeconds)
  }

  private func addBoards(
    _ now: Counters, _ boards: [BridgeStatus.Board], _ page: inout MetricsText
  ) {
    func gauge(
      _ name: String, _ help: String, _ value: (BridgeStatus.Board) -> Double?
    ) {
      page.family(
        "martlet_bridge_board_\(name)", .gauge, help,
        boards.compactMap { board in value(board).map { (["board": board.address], $0) } })
    }
    page.single(
      "martlet_bridge_boards", .gauge, "Boards that the bridge serves", Double(boards.count))
    page.single(
      "martlet_bridge_boards_connected", .gauge, "Boards whose line is open",
      Double(boards.count(where: \.isConnected)))
    gauge("connected", "Whether the board's line is open") { $0.isConnected ? 1 : 0 }
    gauge("lease_left_seconds", "Time left of the board's consent") { board in
      board.lease.map { $0.secondsLeft ?? 0 }
    }
    gauge("dumps_waiting", "Dumps that wait on the board") { $0.dumpsWaiting.map(Double.init) }
    gauge("uncaptured_crashes", "Crashes of the board that left no dump") {
      $0.uncapturedCrashes.map(Double.init)
    }
    gauge("boot_count", "Boots that the board counts") { $0.bootCount.map(Double.init) }
    page.family(
      "martlet_bridge_board_connections_total", .counter, "Times that the board's line was opened",
      Self.byBoard(now.connections))
    page.family(
      "martlet_bridge_board_console_lines_total", .counter, "Console lines of the board",
      Self.byBoard(now.consoleLines))
  }

  private func addLines(_ lines: [String: LineCounts], _ page: inout MetricsText) {
    func counter(_ name: String, _ help: String, _ value: (LineCounts) -> Int) {
      page.family(
        "martlet_bridge_line_\(name)_total", .counter, help, Self.byBoard(lines.mapValues(value)))
    }
    counter("frames", "Frames that arrived whole", \.frames)
    counter("frames_damaged", "Frames that arrived damaged", \.damagedFrames)
    counter("requests_repeated", "Requests sent again for want of an answer", \.repeats)
    counter("console_bytes", "Bytes of console text", \.consoleBytes)
  }

  private func addProcess(_ bridge: BridgeStatus.Program, _ page: inout MetricsText) {
    page.single(
      "process_start_time_seconds", .gauge, "When the bridge was started",
      bridge.started.timeIntervalSince1970)
    page.single(
      "process_resident_memory_bytes", .gauge, "Memory of the bridge that is in use",
      ProcessUsage.residentBytes)
    page.single(
      "process_open_fds", .gauge, "File descriptors that are open", ProcessUsage.openDescriptors)
  }

  private static func byBoard(_ counts: [String: Int]) -> [(
    labels: MetricsText.Labels, value: Double
  )] {
    counts.sorted { $0.key < $1.key }.map { (["board": $0.key], Double($0.value)) }
  }
}
