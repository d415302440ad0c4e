// Deletes what is over, again and again, while the service runs.

import Logging
import ServiceLifecycle

/// Looks once a minute. What fails is tried again the next time.
public struct RetentionSweep: Service {
  private let service: CrashService
  private let ticks: @Sendable () async throws -> Bool

  /// - Parameter ticks: returns when it is time to look, with false when it never is again.
  init(_ service: CrashService, ticks: @escaping @Sendable () async throws -> Bool) {
    self.service = service
    self.ticks = ticks
  }

  /// - Parameter period: from the end of one look to the begin of the next.
  public init(_ service: CrashService, every period: Duration = .seconds(60)) {
    self.init(service) {
      try await Task.sleep(for: period)
      return true
    }
  }

  /// Looks at the start, then at each tick, until the service shuts down.
  public func run() async throws {
    await cancelWhenGracefulShutdown {
      repeat { await look() } while (try? await ticks()) ?? false
    }
  }

  private func look() async {
    do {
      let report = try await service.deleteOverdue()
      guard !report.isKept else { return }
      service.logger.error("dumps are kept for longer than they may be: deletion did not finish")
    } catch is CancellationError {
      return
    } catch {
      service.logger.error(
        "deletion of what is over failed; it is tried again in a minute",
        metadata: ["reason": "\(error)"])
    }
  }
}
