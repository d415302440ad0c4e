// What the bridge tells programs about its work: one JSON object a line.

import Foundation

/// Something that happened. Fields that do not belong to its kind are absent.
public struct BridgeEvent: Codable, Equatable, Sendable {
  public enum Name: String, Codable, Sendable {
    case boardConnected = "board.connected"
    case boardDisconnected = "board.disconnected"
    /// The line to a board cannot be opened; `reason` says why. Told once for each reason.
    case boardUnavailable = "board.unavailable"
    /// A board said who it is and what it holds.
    case boardHello = "board.hello"
    /// The application starts on the board.
    case boardStarting = "board.starting"
    /// The board accepted an opt-in.
    case leaseGranted = "lease.granted"
    /// The service says there is no consent; the board was told.
    case leaseDenied = "lease.denied"
    /// The service's word on consent is the one that the board has already.
    case leaseKept = "lease.kept"
    /// There is no lease to give, or the board did not accept it; `leaseProblem` says why.
    case leaseFailed = "lease.failed"
    case dumpOffered = "dump.offered"
    /// Durable here; the board is told so after this.
    case dumpSpooled = "dump.spooled"
    /// Durable at the service.
    case dumpUploaded = "dump.uploaded"
    /// Not taken, by bridge or service; `reason` says why.
    case dumpRefused = "dump.refused"
    /// Deleted here for want of consent.
    case dumpPurged = "dump.purged"
    /// Given up here for a newer dump because the spool was full; `reason` says why this one.
    case dumpEvicted = "dump.evicted"
    /// Deleted here because it grew too old.
    case dumpExpired = "dump.expired"
    /// A board told of crashes that this bridge had not heard of; `count` is its total.
    case crashCounted = "crash.counted"
    /// Durable at the service: `count` fingerprints with their totals.
    case countsUploaded = "counts.uploaded"
    /// Not taken by the service; `reason` says why.
    case countsRefused = "counts.refused"
    /// Console text of the board.
    case console
    case warning
  }

  /// Why a dump was not taken, for programs; `reason` says it in words.
  public enum Cause: String, CaseIterable, Codable, Sendable {
    /// The spool holds as much as it may.
    case spoolFull
    /// The spool's disk or database does not take anything.
    case spoolFailed
    /// There is no consent for it.
    case noConsent
    /// Its memory content is not sealed.
    case notSealed
    /// It was kept for as long as crash data may be.
    case expired
    /// The service has enough of its kind.
    case enough
    /// Its identity belongs to another dump.
    case conflict
    /// The service will never take it.
    case rejected
    case other
  }

  /// Why a board has no new lease, for programs; `reason` says it in words.
  public enum LeaseProblem: String, Codable, Sendable {
    /// The board has no identity.
    case notProvisioned
    /// The service does not know the device.
    case deviceUnknown
    /// The device is claimed, but its key is not registered.
    case keyUnknown
    /// The board did not accept what the service gave.
    case refused
    /// The service does not answer, or failed.
    case noAnswer
  }

  public var time: Date
  public var event: Name
  /// The board's address.
  public var board: String?
  /// 128 hex digits, once the board said them.
  public var device: String?

  /// 40 hex digits.
  public var buildId: String?
  public var imageVersion: String?
  public var bootCount: UInt32?
  /// `powerOn`, `watchdog`, `software`, `fault`, `external` or `unknown`.
  public var resetCause: String?
  /// `none`, `allowed`, `denied`, `expired`, `suspended` or `clockFault`.
  public var leaseState: String?
  public var leaseSeconds: UInt32?
  public var leaseProblem: LeaseProblem?
  public var dumpsWaiting: Int?
  public var uncapturedCrashes: UInt32?
  /// `agent` while the board's boot agent waits, `application` afterwards.
  public var phase: String?

  /// The dump's own boot count and sequence, as `boot-sequence`.
  public var dump: String?
  /// 16 hex digits.
  public var fingerprint: String?
  public var kind: String?
  public var size: Int?
  public var occurrences: UInt32?
  /// The service's name for the dump.
  public var dumpId: String?
  /// Boot counts of the first and the latest crash of a fingerprint.
  public var firstBoot: UInt32?
  public var lastBoot: UInt32?

  public var count: Int?
  public var reason: String?
  public var cause: Cause?
  public var text: String?

  public init(_ event: Name, board: String? = nil, device: String? = nil, time: Date = Date()) {
    self.time = time
    self.event = event
    self.board = board
    self.device = device
  }

  /// The event with more of its fields set.
  public func with(_ change: (inout BridgeEvent) -> Void) -> BridgeEvent {
    var event = self
    change(&event)
    return event
  }

  /// Lines of console text that end with it.
  var consoleLines: Int { text?.utf8.count { $0 == UInt8(ascii: "\n") } ?? 0 }

  /// One line of JSON, newline included.
  public func line() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601WithMilliseconds
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// Reads a line that ``line()`` wrote.
  public init(line: some DataProtocol) throws {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601WithMilliseconds
    self = try decoder.decode(BridgeEvent.self, from: Data(line))
  }
}

/// Where events go. Called from any task; it does not wait for long.
public typealias BridgeEventSink = @Sendable (BridgeEvent) -> Void

extension Date.ISO8601FormatStyle {
  /// `2026-01-31T09:15:00.250Z`, as everything that the bridge writes has it.
  static var milliseconds: Self { Self(includingFractionalSeconds: true) }
}

extension JSONEncoder.DateEncodingStrategy {
  static var iso8601WithMilliseconds: Self {
    .custom { date, encoder in
      var container = encoder.singleValueContainer()
      try container.encode(date.formatted(Date.ISO8601FormatStyle.milliseconds))
    }
  }
}

extension JSONDecoder.DateDecodingStrategy {
  static var iso8601WithMilliseconds: Self {
    .custom { decoder in
      let text = try decoder.singleValueContainer().decode(String.self)
      return try Date.ISO8601FormatStyle.milliseconds.parse(text)
    }
  }
}
