// How the bridge is: what `martlet-bridge status` shows and the bridge's socket answers.

import Foundation

/// A moment's account of bridge, service, spool and boards. What is not known is absent.
public struct BridgeStatus: Codable, Equatable, Sendable {
  /// When the account was made.
  public var time: Date
  public var bridge: Program
  public var service: ServiceReport
  public var spool: SpoolReport?
  /// How the spool is, when its database cannot even be read.
  public var spoolCondition: SpoolCondition?
  /// In the order of their addresses.
  public var boards: [Board]
  public var consoleLog: ConsoleLog.Report?
  /// The latest warnings, newest first.
  public var warnings: [Note]
  /// What somebody should look at, most urgent first; empty when all is well.
  public var attention: [Attention]

  /// The bridge itself.
  public struct Program: Codable, Equatable, Sendable {
    public var version: String
    public var pid: Int32
    public var started: Date
    public var uptimeSeconds: Double
  }

  /// One board, by its address.
  public struct Board: Codable, Equatable, Sendable {
    public var address: String
    public var isConnected: Bool
    /// Since when it is connected, or is not.
    public var since: Date
    /// Why there is no line to it.
    public var problem: String?
    /// 128 hex digits.
    public var device: String?
    public var imageVersion: String?
    /// 40 hex digits.
    public var buildId: String?
    public var bootCount: UInt32?
    public var resetCause: String?
    /// `agent` while the board's boot agent waits, `application` afterwards.
    public var phase: String?
    /// When it last said who it is.
    public var lastHello: Date?
    public var lease: Lease?
    public var dumpsWaiting: Int?
    public var transfer: Transfer?
    public var uncapturedCrashes: UInt32?
    /// Console lines since the bridge was started.
    public var consoleLines: Int
    /// The file of its console, when one is kept.
    public var consoleLog: String?
    public var lastDump: Dump?
    /// What went wrong with it lately, newest first.
    public var errors: [Note]
  }

  /// A board's consent, as far as the bridge knows it.
  public struct Lease: Codable, Equatable, Sendable {
    /// `none`, `allowed`, `denied`, `expired`, `suspended` or `clockFault`.
    public var state: String
    /// Counted down to now.
    public var secondsLeft: Double?
    /// Why there is no newer one.
    public var problem: String?
    /// The same for programs.
    public var cause: BridgeEvent.LeaseProblem?
  }

  /// A dump on its way from the board.
  public struct Transfer: Codable, Equatable, Sendable {
    /// Boot count and sequence, as `boot-sequence`.
    public var dump: String
    public var bytes: Int
    public var totalBytes: Int
  }

  /// The last dump of a board.
  public struct Dump: Codable, Equatable, Sendable {
    public var dump: String
    public var time: Date
    /// `offered`, `spooled`, `uploaded`, `refused`, `purged`, `evicted` or `expired`.
    public var standing: String
    public var kind: String?
    public var size: Int?
  }

  /// Something that was said, and how often.
  public struct Note: Codable, Equatable, Sendable {
    /// The latest time.
    public var time: Date
    public var text: String
    public var board: String?
    /// Times it was said, one after the other.
    public var count: Int
  }

  /// Something that somebody should look at.
  public struct Attention: Codable, Equatable, Sendable {
    /// A stable name for programs, such as `serviceUnreachable`.
    public var code: String
    public var board: String?
    /// What is wrong, in a sentence.
    public var message: String
    /// What to do about it, in a sentence.
    public var remedy: String
  }
}

extension BridgeStatus {
  /// As the socket answers it: one JSON object, keys in order, times as everywhere in the bridge.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    encoder.dateEncodingStrategy = .iso8601WithMilliseconds
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// Reads what ``json()`` wrote.
  public init(json: some DataProtocol) throws {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601WithMilliseconds
    self = try decoder.decode(BridgeStatus.self, from: Data(json))
  }
}
