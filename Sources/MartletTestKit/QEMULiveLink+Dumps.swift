// What a host does with a board in one visit: consent, offers, transfers, receipts.

import ConsentLease
import DumpFormat
import LinkProtocol

/// A dump that a live board offers.
public struct LiveOffer: Sendable {
  public var key: DumpKey
  /// Bytes of the whole dump.
  public var totalLength: Int
  /// 128 bytes.
  public var prologue: [UInt8]
}

extension LiveLink {
  /// Asks the board who it is.
  public func who() throws -> Hello {
    try request(.who).payload.withUnsafeBytes { try Hello(decoding: $0) }
  }

  /// Agrees on the largest frames.
  public func welcome() throws -> Hello {
    let answer = try request(.welcome) {
      Welcome(version: linkProtocolVersion, largestFrame: UInt16(FrameLimit.largest)).append(
        to: &$0)
    }
    return try answer.payload.withUnsafeBytes { try Hello(decoding: $0) }
  }

  /// Gives the board an identity that trusts the authority, and checks its proof.
  @discardableResult
  public func provision(_ authority: LeaseAuthority = LeaseAuthority()) throws -> ProvisionedDevice
  {
    let challenge = [UInt8](16..<32)
    let answer = try request(.provision) { frame in
      authority.provision(challenge: challenge).withUnsafeBytes { frame.append($0) }
    }
    guard answer.type == .identity else {
      throw ProcessFailure(.unexpected, "PROVISION was answered by \(answer.type)")
    }
    return try authority.device(proving: answer.payload, challenge: challenge)
  }

  /// Hands the board a lease of the authority; provisions it first when it never was.
  ///
  /// - Parameters:
  ///   - hello: the board's newest HELLO, whose nonce the lease answers.
  ///   - dumpsPerFingerprint: dumps that the board keeps of identical crashes; 0: its default.
  public func give(
    _ hello: Hello, allowed: Bool = true, epoch: UInt32 = 1, lifetime: UInt32 = 3600,
    dumpsPerFingerprint: UInt8 = 0, authority: LeaseAuthority = LeaseAuthority()
  ) throws -> LeaseStatus {
    var hello = hello
    if hello.deviceID == DeviceID() {
      try provision(authority)
      hello = try who()
    }
    return try send(
      lease: authority.lease(
        for: hello, allowed: allowed, epoch: epoch, lifetime: lifetime,
        dumpsPerFingerprint: dumpsPerFingerprint))
  }

  /// Sends a lease's bytes and returns what the board says of it.
  public func send(lease bytes: [UInt8]) throws -> LeaseStatus {
    let answer = try request(.lease) { frame in bytes.withUnsafeBytes { frame.append($0) } }
    guard answer.type == .leaseStatus else {
      throw ProcessFailure(.unexpected, "LEASE was answered by \(answer.type)")
    }
    return try answer.payload.withUnsafeBytes { try LeaseStatus(decoding: $0) }
  }

  /// Asks for the oldest waiting dump behind `key`.
  ///
  /// - Returns: `nil` when there is none.
  /// - Throws: ``ProcessFailure`` with `unexpected` when the board refuses.
  public func offer(after key: DumpKey) throws -> LiveOffer? {
    let answer = try request(.next) { Next(after: key).append(to: &$0) }
    switch answer.type {
    case .none: return nil
    case .offer:
      return try answer.payload.withUnsafeBytes { bytes in
        let offer = try Offer(decoding: bytes)
        return LiveOffer(
          key: offer.key, totalLength: Int(offer.totalLength), prologue: Array(offer.prologue))
      }
    default:
      throw ProcessFailure(.unexpected, "NEXT was answered by \(answer.type) \(answer.payload)")
    }
  }

  /// Every dump that waits, in the order of their keys.
  public func offers() throws -> [LiveOffer] {
    var found: [LiveOffer] = []
    while let offer = try offer(after: found.last?.key ?? DumpKey(bootCount: 0, sequence: 0)) {
      found.append(offer)
    }
    return found
  }

  /// Fetches a whole dump.
  public func fetch(_ offer: LiveOffer) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var transfer: UInt8 = 0
    let end = ContinuousClock.now + Self.patience
    while bytes.count < offer.totalLength {
      transfer &+= 1
      let fetch = Fetch(
        key: offer.key, transfer: transfer, offset: UInt32(bytes.count),
        length: UInt32(offer.totalLength - bytes.count))
      let number = send(.fetch) { fetch.append(to: &$0) }
      var deadline = ContinuousClock.now + .seconds(2)
      while bytes.count < offer.totalLength, try receive(until: deadline) {
        if let refusal = pending(.refused).first(where: { $0.sequence == number }) {
          throw ProcessFailure(.unexpected, "FETCH was refused: \(refusal.payload)")
        }
        for frame in takeData() {
          try frame.payload.withUnsafeBytes { payload in
            let run = try DataRun(decoding: payload)
            guard run.transfer == transfer, Int(run.offset) == bytes.count else { return }
            bytes += run.bytes
            deadline = .now + .seconds(2)
          }
        }
      }
      guard ContinuousClock.now < end else {
        throw ProcessFailure(.tooLate, "a dump did not arrive within \(Self.patience)")
      }
    }
    return bytes
  }

  /// A dump that the board sealed, in the clear.
  public func open(
    _ dump: [UInt8], authority: LeaseAuthority = LeaseAuthority()
  ) throws -> [UInt8] {
    try authority.open(dump, from: provision(authority))
  }

  /// Says what becomes of a dump.
  public func receipt(_ key: DumpKey, _ verdict: ReceiptVerdict) throws -> Done {
    let answer = try request(.receipt) { Receipt(key: key, verdict: verdict).append(to: &$0) }
    guard answer.type == .done else {
      throw ProcessFailure(.unexpected, "RECEIPT was answered by \(answer.type)")
    }
    return try answer.payload.withUnsafeBytes { try Done(decoding: $0) }
  }

  /// Lets the application start.
  public func go() throws -> StartReason {
    let answer = try request(.go)
    guard answer.type == .starting else {
      throw ProcessFailure(.unexpected, "GO was answered by \(answer.type)")
    }
    return try answer.payload.withUnsafeBytes { try Starting(decoding: $0).reason }
  }
}
