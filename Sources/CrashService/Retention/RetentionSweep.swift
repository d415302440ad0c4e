// Deletes what is over, again and again, while the service runs.

import Logging
import ServiceLifecycle

/// Looks once a minute, one process at a time of all that share the databases. What fails is tried again
/// the next time.
public struct RetentionSweep: Service {
  private let service: CrashService
  private let turn: PeriodicWork
  private let ticks: @Sendable () async throws -> Bool

  /// Names the work among all that processes take turns at.
  static let turnName = "retention"

  /// - Parameter ticks: returns when it is time to look, with false when it never is again.
  init(_ service: CrashService, ticks: @escaping @Sendable () async throws -> Bool) {
    self.service = service
    turn = PeriodicWork(name: Self.turnName, database: service.management.database)
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
      // Whoever does it, each process sees for itself whether it is done.
      let report =
        if let own = try await turn.run({ [service] in try await service.deleteOverdue() }) {
          own
        } else {
          try await service.retentionReport()
        }
      guard !report.isKept else { return service.metrics.lookedThrough(at: report.now) }
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
