// How the board's consent stands, as the session tells it to people and programs.

import ConsentLease
import DumpFormat
import LinkProtocol
import ServiceAPI

/// What the service said last about consent for a device.
struct DeviceConsent: Equatable {
  var device: String
  var epoch: UInt32
  var isAllowed: Bool

  /// Whether a dump is known to have no consent.
  func excludes(_ identity: DumpIdentity, _ prologue: DumpPrologue) -> Bool {
    device == identity.device && !(isAllowed && epoch == prologue.header.consentEpoch)
  }
}

extension BoardSession {
  private static let allowed = "crash dumps are allowed; the board has its lease"
  private static let denied = "crash dumps are not allowed for this board; it was told"

  /// The board took a lease, or did not.
  func note(_ status: LeaseStatus, isAllowed: Bool) {
    let reason: String? =
      switch (status.refusal, status.state, isAllowed) {
      case (.accepted, .allowed, true), (.accepted, .denied, false): nil
      case (.accepted, let state, _):
        "the board says that it took the lease, but its state is \(state)"
      case (.signature, _, _):
        "the board did not accept the lease: it was provisioned for another catalog, or somebody on"
          + " the way changed the lease"
      case (let refusal, _, _): "the board did not accept the lease: \(refusal)"
      }
    emit(reason != nil ? .leaseFailed : isAllowed ? .leaseGranted : .leaseDenied) {
      $0.leaseState = "\(status.state)"
      $0.leaseSeconds = status.secondsLeft
      $0.reason = reason
      $0.leaseProblem = reason == nil ? nil : .refused
    }
    if let reason {
      logLease(reason, level: .warning)
    } else if isAllowed {
      logLease(Self.allowed, again: "the board's lease is renewed", level: .info)
    } else {
      logLease(Self.denied, level: .info)
    }
  }

  /// The service said what the board knows already.
  func noteKept(isAllowed: Bool) {
    emit(.leaseKept)
    logLease(isAllowed ? Self.allowed : Self.denied, level: .info)
  }

  /// The board has no identity.
  func noteUnprovisioned() {
    fail(
      .notProvisioned,
      "the board was never provisioned, so no crash of it is kept: give it an identity with:"
        + " martlet-bridge provision --board \(address)")
  }

  /// The service gave no lease.
  func noteMissing(_ failure: ServiceFailure, device: String) {
    switch (failure.status, failure.code) {
    case (404, _):
      fail(
        .deviceUnknown,
        "the service does not know this device: claim it with: martlet device claim --device "
          + device)
    case (409, "DeviceNotProvisioned"):
      fail(
        .keyUnknown,
        "the service does not know this device's key, so it signs no lease for it: register it with:"
          + " martlet-bridge provision --board \(address)")
    default: fail(.noAnswer, "no lease: \(failure)")
    }
  }

  private func fail(_ problem: BridgeEvent.LeaseProblem, _ words: String) {
    logLease(words, level: .warning)
    emit(.leaseFailed) {
      $0.reason = words
      $0.leaseProblem = problem
    }
  }
}
