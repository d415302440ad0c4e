// The ways in which a board has no consent.

import MartletTestKit

/// Why there is no consent at a crash.
enum NoConsent: CaseIterable, Sendable {
  case neverProvisioned, neverAsked, denied, revoked, expired, powerCycled, pinReset
  case clockFault, counterFault, forged, replayed
  /// What was dumped under a consent that is over may not leave either.
  case keptFromBefore

  /// Boots a board and takes it there.
  ///
  /// - Parameter crash: lets the board crash and boot, under the consent before.
  func bringAbout(on bench: Bench, crash: () throws -> Void = {}) throws {
    if self == .neverProvisioned {
      bench.board.restart()
      bench.bootUnprovisioned()
    } else {
      bench.boot()
    }
    switch self {
    case .neverProvisioned, .neverAsked: break
    case .denied: bench.give(allowed: false)
    case .revoked:
      bench.give()
      bench.give(allowed: false, epoch: 2)
    case .expired:
      bench.give(lifetime: 60)
      bench.board.advance(by: .seconds(60))
    case .powerCycled:
      bench.give()
      bench.bootCold()
    case .pinReset:
      bench.give()
      bench.reboot(cause: .external)
    case .clockFault:
      bench.board.advance(by: .seconds(5))
      bench.give()
      bench.board.setClock(to: 1_000_000)
    case .counterFault:
      let flash = try bench.board.norImage()
      bench.give()
      bench.reboot()
      try bench.board.setNor(at: 0, to: flash)
      bench.reboot()
    case .forged:
      bench.send(
        lease: LeaseAuthority(seed: bench.board.configuration.seed &+ 77).lease(bench.terms()))
    case .replayed:
      let lease = bench.authority.lease(bench.terms(lifetime: 60))
      bench.send(lease: lease)
      bench.reboot()
      bench.board.advance(by: .seconds(60))
      bench.send(lease: lease)
    case .keptFromBefore:
      bench.give()
      try crash()
      bench.give(allowed: false, epoch: 2)
    }
  }
}
