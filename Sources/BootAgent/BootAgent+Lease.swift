// How the board takes a lease: held against the device, its nonce and the service's signature.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import DumpSealing
import LinkProtocol

extension BootAgent {
  /// Age of a nonce from which on WHO gets a new one, microseconds: a lease lasts from the nonce on.
  private static let nonceAge: UInt64 = 20_000_000

  /// Takes a lease, or says why not. Verifying one and exchanging keys takes some 20 million
  /// instructions, during which nobody listens to the line.
  mutating func take(_ frame: Frame) {
    let lease = frame.payload
    // A host that missed the answer repeats the request: the answer is the same, the lease is not taken
    // twice.
    let sum = CRC32C.checksum(lease)
    var refusal = LeaseRefusal.accepted
    if sum != lastLease {
      refusal = accept(lease)
      KeyTraces.erase()
      if refusal == .accepted { lastLease = sum } else { say(refusal) }
    }
    let now = halMonotonicMicroseconds()
    var answer = port.begin(.leaseStatus, frame.sequence)
    answer.append(gate.state(at: now).rawValue)
    answer.append(refusal.rawValue)
    answer.append(gate.secondsLeft(at: now))
    port.send(&answer)
  }

  /// A function with a stack frame of its own, which is erased behind it.
  @inline(never)
  private mutating func accept(_ lease: UnsafeRawBufferPointer) -> LeaseRefusal {
    guard let identity = try? StoredIdentity.find() else { return .notProvisioned }
    guard hello.nonce != LeaseNonce() else { return .noEntropy }
    let flaw = withUnsafePointer(to: &hello.deviceID) { id in
      withUnsafePointer(to: &hello.nonce) { nonce in
        gate.refusal(
          of: lease, deviceID: id, nonce: nonce, nonceMadeAt: nonceMadeAt,
          at: halMonotonicMicroseconds())
      }
    }
    guard flaw == .accepted, let base = lease.baseAddress else { return flaw }
    let exchange = KeyExchange(lease: base, identity)
    halWatchdogFeed()
    guard exchange.isSigned else { return .signature }
    halWatchdogFeed()
    // A denial brings no key.
    guard Lease.isAllowed(base) else {
      withGuardedOpen {
        sealingKeys().clear()
        _ = gate.adopt(base, nonceMadeAt: nonceMadeAt, at: halMonotonicMicroseconds())
        LeftDump().clear()
        Breadcrumbs.clear()
      }
      // Consent was denied: what was captured under it is given up. What flash does not release does not
      // leave either: the gate is closed for forwarding.
      transfer.clear()
      ring?.releaseAll()
      renewNonce()
      return .accepted
    }
    var secrets = ExchangedSecrets()
    let refusal = exchange.perform(&secrets)
    guard refusal == .accepted else { return refusal }
    let now = halMonotonicMicroseconds()
    let isOther = withGuardedOpen {
      secrets.keep(for: base)
      return gate.adopt(base, nonceMadeAt: nonceMadeAt, at: now)
    }
    Leftovers.drawKeys(gate)
    if isOther {
      transfer.clear()
      ring?.releaseAll(butOf: gate.epoch)
    }
    renewNonce()
    return .accepted
  }

  /// Says on the console why a lease was not taken.
  private func say(_ refusal: LeaseRefusal) {
    Self.line("martlet: lease refused: ", refusal.words, port)
  }

  private static func line(_ start: StaticString, _ words: StaticString, _ port: LinkPort) {
    port.write(start.bytes)
    port.write(words.bytes)
    let end: StaticString = "\r\n"
    port.write(end.bytes)
  }

  /// Makes a new nonce when the one at hand is old, so that a lease lasts as long as it says.
  mutating func refreshNonce() {
    if halMonotonicMicroseconds() &- nonceMadeAt >= Self.nonceAge { renewNonce() }
  }

  /// Makes the next nonce. Without entropy it stays zeros and no lease is taken.
  mutating func renewNonce() {
    nonceMadeAt = halMonotonicMicroseconds()
    withUnsafeMutablePointer(to: &hello.nonce) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      let bytes = raw.assumingMemoryBound(to: UInt8.self)
      if halEntropy(bytes, LeaseNonce.count) != .ok { raw.clear(LeaseNonce.count) }
    }
  }
}

extension LeaseRefusal {
  /// The reason in words for the console.
  fileprivate var words: StaticString {
    switch self {
    case .accepted: "accepted"
    case .malformed: "malformed"
    case .otherVersion: "other version"
    case .damaged: "damaged"
    case .otherDevice: "for another device"
    case .otherNonce: "for another nonce (replayed or late)"
    case .lifetimeTooLong: "lifetime over 48 hours"
    case .signature: "signature does not hold"
    case .olderEpoch: "older epoch"
    case .notProvisioned: "the board is not provisioned"
    case .sealingKey: "sealing key of small order"
    case .noEntropy: "the board has no entropy"
    case .expired: "expired before it arrived"
    }
  }
}

extension StaticString {
  fileprivate var bytes: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
  }
}
