// The bridge: many boards, one spool, one way to the service.

import SerialLink
import ServiceLifecycle

/// Runs a session for each board, the uploader, and who keeps the spool in order and in keeping with
/// consent, until it is asked to stop.
public struct Bridge: Service {
  private let sessions: [BoardSession]
  private let uploader: Uploader
  private let keeper: SpoolKeeper?
  private let consent: ConsentKeeper?

  public init(
    sessions: [BoardSession], uploader: Uploader, keeper: SpoolKeeper? = nil,
    consent: ConsentKeeper? = nil
  ) {
    self.sessions = sessions
    self.uploader = uploader
    self.keeper = keeper
    self.consent = consent
  }

  /// Works until the task is cancelled or the service group shuts down.
  public func run() async {
    // Nothing has to be wound down slowly: what is not acknowledged is offered again, what is
    // acknowledged is durable.
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await uploader.run() }
        if let keeper { group.addTask { await keeper.run() } }
        if let consent { group.addTask { await consent.run() } }
        for session in sessions { group.addTask { await session.run() } }
      }
    }
  }
}
