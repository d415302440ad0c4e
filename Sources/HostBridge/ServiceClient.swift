// What the bridge asks of the crash service.

import ServiceAPI

/// The service as the bridge needs it (ServiceAPI, `DevicePath`).
public protocol ServiceClient: Sendable {
  /// Asks for a lease.
  func lease(
    device: String, _ request: LeaseRequest
  ) async throws(ServiceFailure) -> LeaseAnswer

  /// Asks which dumps are wanted. The answer has one verdict for each offer.
  func offer(device: String, _ request: OfferRequest) async throws(ServiceFailure) -> OfferAnswer

  /// Sends a dump. Returning means that the service stores it durably, now or since before.
  func upload(
    _ identity: DumpIdentity, bytes: [UInt8]
  ) async throws(ServiceFailure) -> DumpReceipt

  /// Sends crash counts. Returning means that the service stores all of them durably.
  func count(device: String, _ request: CountRequest) async throws(ServiceFailure) -> CountAnswer

  /// Asks how consent stands for at most 256 devices. The answer has one for each.
  func consents(_ request: ConsentRequest) async throws(ServiceFailure) -> ConsentAnswer
}

/// Why the service did not do what it was asked.
public struct ServiceFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The HTTP status, or `nil` when no answer came.
  public var status: Int?
  /// The service's name for the error, such as `ConsentNotGiven`; the bridge's own when no answer
  /// came or it could not be read.
  public var code: String
  /// Words for people.
  public var message: String
  /// How long the service asks to be left alone.
  public var retryAfter: Duration?

  public init(status: Int?, code: String, message: String, retryAfter: Duration? = nil) {
    self.status = status
    self.code = code
    self.message = message
    self.retryAfter = retryAfter
  }

  /// The ``code`` when no answer came.
  static let unreachable = "Unreachable"
  /// The service's certificate is not trusted, so nothing was sent.
  static let untrusted = "NotTrusted"
  /// What came is not an answer of the service's: nothing was acknowledged.
  static let notUnderstood = "AnswerNotUnderstood"
  /// A status without the service's words for it: a proxy's, or another server's.
  static let nameless = "Unknown"

  /// Whether the service says that nobody consents to what was sent, so that it has to go. Other refusals are
  /// about the bridge itself, or not the service's, and say nothing of consent.
  var isConsentRefusal: Bool {
    status == 403 && ["ConsentNotGiven", "ConsentOver"].contains(code)
  }

  public var description: String {
    status.map { "\(message) (\($0) \(code))" } ?? message
  }
}
