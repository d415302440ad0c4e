// What a conversation asks of its surroundings.

import ConsentLease
import DumpFormat
import LinkProtocol

/// Something that the conversation wants done. The order of a list is the order to do it in.
public enum ConversationAction: Sendable {
  /// Put these bytes on the line.
  case send([UInt8])
  /// Show the board's console text, whose first byte came at `began`.
  case console([UInt8], began: Duration)
  /// A visit begins.
  case hello(Hello)
  /// Ask the service for a lease; answer with ``BoardConversation/leaseIssued(_:nonce:allowed:now:)``
  /// or ``BoardConversation/leaseUnavailable(nonce:now:)``.
  case leaseWanted(LeaseWish)
  /// The board was never provisioned, so no lease can be asked for it.
  case notProvisioned
  /// The service's word is the one that the board has already; whether it allows dumps.
  case leaseKept(isAllowed: Bool)
  /// The board took a lease, or did not; whether that lease allows dumps.
  case leaseAnswered(LeaseStatus, isAllowed: Bool)
  /// Look the dump up; answer with ``BoardConversation/judged(_:_:now:)``.
  case offered(DumpIdentity, DumpPrologue, bytes: [UInt8])
  /// Store the dump durably; answer with ``BoardConversation/settled(_:_:now:)``. Its checksums are
  /// right.
  case complete(DumpIdentity, DumpPrologue, bytes: [UInt8])
  /// Say with ``BoardConversation/uploaded(_:now:)`` when none of these dumps waits for the service.
  case uploadAwaited([DumpIdentity])
  /// Keep the crash counts of a device; say with ``BoardConversation/countsLost()`` when that fails.
  case counted(device: String, [CrashCount])
  /// The application starts on the board.
  case starting(StartReason)
  case warning(String)
}

/// What the service needs to know to issue a lease.
public struct LeaseWish: Equatable, Sendable {
  /// 128 hex digits.
  public var device: String
  /// 16 bytes.
  public var nonce: [UInt8]
  /// 40 hex digits.
  public var buildID: String
  public var imageVersion: String
  public var bootCount: UInt32
  public var uncapturedCrashes: UInt32
}

/// What the bridge thinks of an offered dump.
public enum OfferJudgement: Sendable {
  /// Fetch it.
  case wanted
  /// No need: it is held already, or nobody wants it, or there is no room for it.
  case settled(ReceiptVerdict)
}
