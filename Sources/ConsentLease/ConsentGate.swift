// The gate: may memory content be kept and forwarded now?

import DumpFormat

/// What an accepted lease leaves on the device, and the uptime it is counted in, in RAM that a warm
/// reset keeps; and the decision on it. Fails closed: anything that is not plainly a valid lease is
/// none.
///
/// The board counts from each reset only, so the record keeps the sum of the boots before. The
/// microseconds between the last ``update(at:)`` and a reset are not counted; updates come with every
/// poll and with every crash, and the gate's margin is hours.
///
/// What changes the record needs guarded memory to be open. Layout: docs/formats/ring.md, Retained RAM.
public struct ConsentGate {
  /// Bytes of retained RAM.
  public static let size = 104

  /// "MGT3", little endian.
  private static let magic: UInt32 = 0x3354_474D
  private enum At {
    static let state = 4
    static let dumpsPerFingerprint = 5
    static let clockFault = 6
    static let knownCount = 7
    static let epoch = 8
    static let uncaptured = 12
    static let expiresAt = 16
    /// Uptime at the start of this boot. Wraps: after a fault of the clock it lies before zero.
    static let base = 24
    /// Uptime at the last update.
    static let last = 32
    static let boot = 40
    /// Periods that flash had counted at uptime zero; all ones as long as nobody has looked.
    static let periods = 44
    static let known = 48
    static let check = 96
  }

  let memory: UnsafeMutableRawPointer

  /// - Parameter memory: ``size`` bytes of retained RAM, aligned to 8.
  public init(memory: UnsafeMutableRawPointer) { self.memory = memory }

  // MARK: - Time

  /// Starts a boot: unless the reset was warm and the record is intact, the gate is closed until the
  /// next lease and uptime counts from zero. Call before anything else; once more during a boot only
  /// shortens a lease. Changes the record.
  ///
  /// - Parameter isWarm: the reset took no time that matters, see ``ResetCause/isWarm``. After any other
  ///   RAM may have kept its content all the same, but nobody knows for how long.
  public func start(isWarm: Bool) {
    guard isWarm, isIntact else {
      reset(state: .suspended, base: 0)
      return
    }
    memory.store64(bytes.load64(at: At.last), at: At.base)
    seal()
  }

  /// Holds what flash remembers against the record: more time there than the uptime accounts for, or a
  /// boot that is not a later one, closes the gate until the next lease. Changes the record. Context:
  /// boot, once.
  ///
  /// - Parameters:
  ///   - boot: number of this boot.
  ///   - periods: periods of 2^32 microseconds that flash has counted.
  public func check(boot: UInt32, periods: UInt32) {
    guard isIntact else { return }
    let before = bytes.load32(at: At.periods)
    if before == .max {
      memory.store32(periods, at: At.periods)
    } else if periods &- before > bytes.load64(at: At.last).high
      || boot <= bytes.load32(at: At.boot)
    {
      memory.store8(1, at: At.clockFault)
    }
    memory.store32(boot, at: At.boot)
    seal()
  }

  /// Whether flash should count one more period of uptime, having counted `periods`. Changes the record
  /// when its uptime began anew with a lease.
  public func isPeriodOver(_ periods: UInt32) -> Bool {
    guard isIntact else { return false }
    if bytes.load32(at: At.periods) == .max {
      memory.store32(periods, at: At.periods)
      seal()
    }
    return periods &- bytes.load32(at: At.periods) < bytes.load64(at: At.last).high
  }

  /// The last boot that ``check(boot:periods:)`` was told of; 0 before the first since power-on.
  public var lastBoot: UInt32 { isIntact ? bytes.load32(at: At.boot) : 0 }

  /// Microseconds since power-on, when `monotonic` have passed since this reset.
  public func uptime(at monotonic: UInt64) -> UInt64 { bytes.load64(at: At.base) &+ monotonic }

  /// Brings the kept uptime up to date and decides, see ``state(at:)``. A `monotonic` that lies before an
  /// earlier one closes the gate until the next lease. Changes the record.
  @discardableResult
  public func update(at monotonic: UInt64) -> LeaseState {
    guard isIntact else { return .none }
    let now = uptime(at: monotonic)
    if now < bytes.load64(at: At.last) {
      memory.store8(1, at: At.clockFault)
    } else {
      memory.store64(now, at: At.last)
    }
    seal()
    return decide(now)
  }

  // MARK: - The decision

  /// Whether the gate is open at `monotonic` microseconds since this reset, and if not why.
  public func state(at monotonic: UInt64) -> LeaseState {
    isIntact ? decide(uptime(at: monotonic)) : .none
  }

  /// Seconds for which the gate stays open; 0 when it is closed.
  public func secondsLeft(at monotonic: UInt64) -> UInt32 {
    guard state(at: monotonic) == .allowed else { return 0 }
    return wholeSeconds(bytes.load64(at: At.expiresAt) &- uptime(at: monotonic))
  }

  /// Epoch of the last lease accepted since power-on; 0 before the first. Means nothing unless the gate
  /// was just found open.
  public var epoch: UInt32 { bytes.load32(at: At.epoch) }

  /// How many dumps of one fingerprint to keep; likewise.
  public var dumpsPerFingerprint: UInt8 {
    let asked = bytes.load8(at: At.dumpsPerFingerprint)
    return asked == 0 ? Self.defaultDumpsPerFingerprint : asked
  }

  /// Dumps of one fingerprint that a device keeps when the lease does not say.
  public static let defaultDumpsPerFingerprint: UInt8 = 3

  /// How many dumps of this fingerprint to keep: none when the fleet has enough of them. Likewise.
  public func dumpsToKeep(of fingerprint: Fingerprint) -> UInt32 {
    var at = At.known
    let end = at + 4 * Int(bytes.load8(at: At.knownCount))
    while at < end, at < At.check {
      if bytes.load32(at: at) == fingerprint.rawValue.low { return 0 }
      at += 4
    }
    return UInt32(dumpsPerFingerprint)
  }

  /// Crashes that were not captured for want of consent, since the last lease.
  public var uncapturedCrashes: UInt32 { isIntact ? bytes.load32(at: At.uncaptured) : 0 }

  /// Counts a crash that was not captured for want of consent. Changes the record.
  public func countUncaptured() {
    if !isIntact { reset(state: .none, base: 0) }
    let count = bytes.load32(at: At.uncaptured)
    if count < .max { memory.store32(count + 1, at: At.uncaptured) }
    seal()
  }

  // MARK: - A new lease

  /// Why a lease is not for this device, this request and this moment; ``LeaseRefusal/accepted`` when
  /// nothing but its signature is left to hold against it.
  ///
  /// - Parameters:
  ///   - lease: bytes as they arrived, at a multiple of 4; any are safe to pass.
  ///   - deviceID: 64 bytes.
  ///   - nonce: 16 bytes.
  ///   - nonceMadeAt: microseconds since this reset; the lifetime counts from here.
  ///   - monotonic: microseconds since this reset.
  public func refusal(
    of lease: UnsafeRawBufferPointer, deviceID: UnsafeRawPointer, nonce: UnsafeRawPointer,
    nonceMadeAt: UInt64, at monotonic: UInt64
  ) -> LeaseRefusal {
    let flaw = Lease.check(lease)
    guard flaw == .accepted, let base = lease.baseAddress else { return flaw }
    guard areSame(base + LeaseLayout.deviceID, deviceID, count: Lease.deviceIDSize) else {
      return .otherDevice
    }
    guard areSame(base + LeaseLayout.nonce, nonce, count: Lease.nonceSize) else {
      return .otherNonce
    }
    if isIntact, base.load32(at: LeaseLayout.epoch) < epoch { return .olderEpoch }
    if Lease.isAllowed(base), monotonic &- nonceMadeAt >= base.lifetime { return .expired }
    return .accepted
  }

  /// The part of a lease that its signature covers, and the signature. Only of a lease that
  /// ``refusal(of:deviceID:nonce:nonceMadeAt:at:)`` found nothing wrong with.
  public static func signed(
    _ lease: UnsafeRawPointer
  ) -> (message: UnsafeRawBufferPointer, signature: UnsafeRawPointer) {
    let size = Lease.signedSize(lease)
    return (UnsafeRawBufferPointer(start: lease, count: size), lease + size)
  }

  /// Takes over a lease that was refused for nothing and whose signature holds. Changes the record.
  ///
  /// - Parameters:
  ///   - lease: at a multiple of 4.
  ///   - nonceMadeAt: microseconds since this reset.
  ///   - monotonic: microseconds since this reset.
  /// - Returns: whether this is another consent than the one before: what was captured under that one is
  ///   to be dropped.
  public func adopt(
    _ lease: UnsafeRawPointer, nonceMadeAt: UInt64, at monotonic: UInt64
  ) -> Bool {
    let newEpoch = lease.load32(at: LeaseLayout.epoch)
    // What a wrong clock has counted means nothing; the new lease counts from zero.
    var start = 0 &- monotonic
    var boot: UInt32 = 0
    var periods: UInt32 = .max
    var isOther = true
    if isIntact {
      isOther = epoch != newEpoch
      boot = bytes.load32(at: At.boot)
      if !isClockWrong(uptime(at: monotonic)) {
        start = bytes.load64(at: At.base)
        periods = bytes.load32(at: At.periods)
      }
    }
    reset(state: Lease.isAllowed(lease) ? .allowed : .denied, base: start)
    memory.store8(
      lease.load8(at: LeaseLayout.dumpsPerFingerprint), at: At.dumpsPerFingerprint)
    memory.store32(newEpoch, at: At.epoch)
    memory.store64(start &+ monotonic, at: At.last)
    memory.store64(start &+ nonceMadeAt &+ lease.lifetime, at: At.expiresAt)
    memory.store32(boot, at: At.boot)
    memory.store32(periods, at: At.periods)
    let known = min(lease.load8(at: LeaseLayout.knownCount), UInt8(Lease.mostKnown))
    memory.store8(known, at: At.knownCount)
    memory.store(lease + LeaseLayout.known, count: 4 * Int(known), at: At.known)
    seal()
    return isOther
  }

  // MARK: - The record

  private var bytes: UnsafeRawPointer { UnsafeRawPointer(memory) }

  private var isIntact: Bool {
    bytes.load32(at: 0) == Self.magic && bytes.load32(at: At.check) == checksum
  }

  private func decide(_ now: UInt64) -> LeaseState {
    guard let stored = LeaseState(rawValue: bytes.load8(at: At.state)) else { return .none }
    guard stored == .allowed else { return stored }
    guard !isClockWrong(now) else { return .clockFault }
    return now < bytes.load64(at: At.expiresAt) ? .allowed : .expired
  }

  /// Whether `now` lies before a time already told. Nothing lies before the lease that lies not before
  /// the last update.
  private func isClockWrong(_ now: UInt64) -> Bool {
    bytes.load8(at: At.clockFault) != 0 || now < bytes.load64(at: At.last)
  }

  private var checksum: UInt32 { WordHash.checksum(memory, count: At.check) }

  private func seal() { memory.store32(checksum, at: At.check) }

  /// A record without a lease, uptime counted from `base`.
  private func reset(state: LeaseState, base: UInt64) {
    memory.clear(At.check)
    memory.store32(Self.magic, at: 0)
    memory.store8(state.rawValue, at: At.state)
    memory.store64(base, at: At.base)
    memory.store64(base, at: At.last)
    memory.store32(.max, at: At.periods)
    seal()
  }
}

extension UnsafeRawPointer {
  /// The lifetime of the lease that lies here, microseconds.
  fileprivate var lifetime: UInt64 {
    UInt64(widening: load32(at: LeaseLayout.lifetime)) &* 1_000_000
  }
}

/// Whole seconds in `microseconds`; `UInt32.max` when there are more. 1,000,000 is 64 times 15,625, which
/// leaves digits of 16 bits to divide, so that a device without a 64-bit division needs none.
public func wholeSeconds(_ microseconds: UInt64) -> UInt32 {
  let rest = microseconds &>> (6 as UInt64)
  guard rest.high < 15_625 else { return .max }
  let upper = rest.high << 16 | rest.low >> 16
  let lower = (upper % 15_625) << 16 | rest.low & 0xFFFF
  return (upper / 15_625) << 16 | lower / 15_625
}
