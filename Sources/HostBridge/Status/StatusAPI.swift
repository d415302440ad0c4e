// What the bridge's socket answers (docs/bridge.md).

import Foundation

/// The paths of the bridge's socket.
public enum StatusAPI {
  /// The whole status, JSON.
  public static let status = "/v1/status"
  /// `ok` as soon as the bridge serves.
  public static let health = "/v1/health"
  /// Events from now on, one JSON object a line, for as long as the client reads.
  public static let events = "/v1/events"

  /// Answers requests.
  public static func handler(_ reporter: StatusReporter, _ feed: EventFeed) -> LocalServer.Handler {
    { request in
      switch request.path {
      case status:
        guard let json = try? await reporter.status().json() else {
          return .text(500, "the status cannot be written as JSON")
        }
        return .init(type: "application/json", body: .bytes(Array(json)))
      case health: return .text(200, "ok")
      case events:
        guard let stream = feed.follow() else { return .text(503, "enough clients follow already") }
        return .init(type: "application/x-ndjson", body: .stream(stream))
      default: return .text(404, "there are \(status), \(health) and \(events)")
      }
    }
  }
}
