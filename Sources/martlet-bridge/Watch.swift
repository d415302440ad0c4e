// What lets others see how a run is doing: status, metrics, events.

import Foundation
import HostBridge
import Logging
import ServiceLifecycle

/// Gathers what happens and serves it to this machine's programs.
struct Watch {
  let board: StatusBoard
  let metrics = BridgeMetrics()
  private let feed = EventFeed()

  init(service: String, boards: [String]) {
    board = StatusBoard(service: service, boards: boards)
  }

  /// Takes events, after `first` has.
  func sink(after first: @escaping BridgeEventSink) -> BridgeEventSink {
    { [board, metrics, feed] event in
      first(event)
      board.take(event)
      metrics.take(event)
      feed.take(event)
    }
  }

  /// Takes the ends of calls to the service.
  var observer: ServiceObserver {
    { [board, metrics] call, failure in
      board.serviceAnswered(failure)
      metrics.take(call, failure)
    }
  }

  /// Tells a service manager how the run is.
  var serviceManager: ServiceManager {
    ServiceManager { [board] in board.status().summary }
  }

  /// The servers that the options ask for.
  ///
  /// - Parameter socket: its path, `none`, or `nil` for where a bridge of this user is looked for.
  func servers(
    socket: String?, metricsPort: Int?, _ reporter: StatusReporter
  ) async throws(HostBridgeError) -> [LocalServer] {
    var servers: [LocalServer] = []
    if let server = try await statusServer(socket, reporter) { servers.append(server) }
    if let metricsPort {
      let server = try await LocalServer.listen(
        onPort: metricsPort, handler: metrics.handler(reporter))
      Logger(label: "bridge").info("metrics are on \(server.place)/metrics")
      servers.append(server)
    }
    return servers
  }

  private func statusServer(
    _ socket: String?, _ reporter: StatusReporter
  ) async throws(HostBridgeError) -> LocalServer? {
    if socket == "none" { return nil }
    let handler = StatusAPI.handler(reporter, feed)
    do throws(HostBridgeError) {
      return try await .listen(onSocket: socket ?? StatusSocketPlace.standard(), handler: handler)
    } catch {
      // Nobody asked for that place: boards are served without it.
      guard socket == nil, error.code == .socketUnavailable else { throw error }
      Logger(label: "bridge").warning("martlet-bridge status will not find this bridge: \(error)")
      return nil
    }
  }
}
