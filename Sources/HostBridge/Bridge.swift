// The bridge: many boards, one spool, one way to the service.

import SerialLink
import ServiceLifecycle

/// Runs a session for each board and the uploader, until it is asked to stop.
public struct Bridge: Service {
  private let sessions: [BoardSession]
  private let uploader: Uploader

  public init(sessions: [BoardSession], uploader: Uploader) {
    self.sessions = sessions
    self.uploader = uploader
  }

  /// Works until the task is cancelled or the service group shuts down.
  public func run() async {
    // Nothing has to be wound down slowly: what is not acknowledged is offered again, what is
    // acknowledged is durable.
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await uploader.run() }
        for session in sessions { group.addTask { await session.run() } }
      }
    }
  }
}
