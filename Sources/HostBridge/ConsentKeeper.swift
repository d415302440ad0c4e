// Asks how consent stands for what the spool holds, also of boards that are away.

import DumpFormat
import Logging
import ServiceAPI

/// Purges what has lost its consent: a board brings its own news with each lease, but the dumps of one
/// that is away would stay until they are too old.
public struct ConsentKeeper: Sendable {
  /// Between two questions: half of the minute in which a revocation has to reach what is held here.
  static let interval = Duration.seconds(30)
  /// Devices in one question.
  static let batch = 256

  private let spool: Spool
  private let service: any ServiceClient
  private let clock: BridgeClock
  private let log: Logger
  private let events: BridgeEventSink

  public init(
    spool: Spool, service: any ServiceClient, clock: BridgeClock = .system,
    log: Logger = Logger(label: "consent"), events: @escaping BridgeEventSink = { _ in }
  ) {
    self.spool = spool
    self.service = service
    self.clock = clock
    self.log = log
    self.events = events
  }

  /// Works until the task is cancelled. A service that does not answer is asked again sooner, then ever
  /// later up to the interval, and not before the time that it asks for.
  public func run() async {
    var generator = SystemRandomNumberGenerator()
    var backoff = Backoff(base: .milliseconds(500), cap: Self.interval)
    var lastWords: String?
    while !Task.isCancelled {
      var pause = Self.interval
      if let failure = await round() {
        pause = max(backoff.next(using: &generator), failure.retryAfter ?? .zero)
        let words = "cannot ask how consent stands for what the spool holds: \(failure)"
        // The uploader complains of the same service; here it is said once.
        log.log(level: words == lastWords ? .debug : .warning, "\(words)")
        lastWords = words
      } else {
        backoff.reset()
        lastWords = nil
      }
      try? await clock.sleep(until: clock.now + pause)
    }
  }

  /// Asks once about every device of which bytes are held. Returns why the service did not answer.
  func round() async -> ServiceFailure? {
    do throws(HostBridgeError) {
      let holdings = try await spool.holdings()
      for start in stride(from: 0, to: holdings.devices.count, by: Self.batch) {
        let devices = Array(holdings.devices[start...].prefix(Self.batch))
        let answer: ConsentAnswer
        do throws(ServiceFailure) {
          answer = try await service.consents(ConsentRequest(devices: devices))
        } catch {
          return Task.isCancelled ? nil : error
        }
        guard answer.consents.count == devices.count else {
          return ServiceFailure(
            status: nil, code: ServiceFailure.notUnderstood,
            message: "the service answered for \(answer.consents.count) devices of \(devices.count)"
          )
        }
        for (device, consent) in zip(devices, answer.consents) where consent.isKnown {
          try await keep(consent, of: device, holdings)
        }
      }
    } catch {
      // Its condition is told by the spool itself.
      if !Task.isCancelled { log.error("what has lost its consent could not be purged: \(error)") }
    }
    return nil
  }

  private func keep(
    _ consent: ConsentAnswer.Consent, of device: String, _ holdings: SpoolHoldings
  ) async throws(HostBridgeError) {
    let purged = try await spool.purge(
      device: device, exceptEpoch: consent.allowed ? consent.epoch : nil, of: holdings)
    guard !purged.keys.isEmpty else { return }
    log.warning("\(purged.words(device: device, epoch: consent.epoch))")
    events(purged.event(device: device))
  }
}

extension PurgedDumps {
  /// What programs are told of the purge.
  func event(device: String) -> BridgeEvent {
    BridgeEvent(.dumpPurged, device: device).with {
      $0.count = keys.count
      $0.size = bytes
      $0.reason = "consent was revoked"
    }
  }
}
