// The begin of the end: tells everybody that the service is about to go, before it takes no more.

import ServiceLifecycle

/// Turns readiness when the service is told to end, and waits for those who send requests to notice. It is
/// to be the last of a group, which ends its services in the reverse order.
public struct ShutdownNotice: Service {
  private let service: CrashService
  private let delay: Duration

  /// - Parameter delay: from the turn of readiness until connections are refused.
  public init(_ service: CrashService, delay: Duration) {
    self.service = service
    self.delay = delay
  }

  public func run() async throws {
    try await gracefulShutdown()
    service.readiness.beginStopping()
    service.logger.notice("told to end: finishing what was accepted")
    if delay > .zero { try await Task.sleep(for: delay) }
  }
}
