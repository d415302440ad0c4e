// Looks after the spool while nothing happens: age, leftovers, a disk that may be well again.

import Logging

/// Puts the spool in order from time to time.
public struct SpoolKeeper: Sendable {
  /// Between two rounds; dumps expire that exactly.
  static let interval = Duration.seconds(60)
  /// The same while the disk does not take anything.
  static let retryInterval = Duration.seconds(5)

  let spool: Spool
  let uploader: Uploader
  let clock: BridgeClock
  let log: Logger

  /// - Parameter uploader: is woken when a disk is well again.
  public init(
    spool: Spool, uploader: Uploader, clock: BridgeClock = .system,
    log: Logger = Logger(label: "spool")
  ) {
    self.spool = spool
    self.uploader = uploader
    self.clock = clock
    self.log = log
  }

  /// Works until the task is cancelled.
  public func run() async {
    var told = SpoolCondition.Kind.ok
    while !Task.isCancelled {
      let wasTrouble = spool.condition.isTrouble
      do throws(HostBridgeError) {
        try await spool.tidy()
      } catch {
        log.debug("the spool could not be put in order: \(error)")
      }
      let condition = spool.condition
      if wasTrouble, !condition.isTrouble { uploader.wake() }
      if condition.kind != told { note(condition) }
      told = condition.kind
      let pause = condition.isTrouble ? Self.retryInterval : Self.interval
      try? await clock.sleep(until: clock.now + pause)
    }
  }

  private func note(_ condition: SpoolCondition) {
    switch condition.kind {
    case .ok: log.notice("the spool is well again")
    case .nearlyFull, .full: log.warning("\(condition.words)")
    case .diskFull, .readOnly, .failing: log.error("\(condition.words)")
    }
  }
}
