// The gate: may memory content be kept and forwarded now?

import DumpFormat

/// What an accepted lease leaves on the device, in RAM that a warm reset keeps, and the decision on
/// it. Fails closed: anything that is not plainly a valid lease is none.
///
/// 48 bytes: magic (4), state (1: a ``LeaseState``), dumps per fingerprint (1), reserved (2), epoch
/// (4), crashes not captured (4), accepted at (8, uptime in microseconds), expires at (8, likewise),
/// reserved (12), CRC-32C of the 44 before (4).
public struct ConsentGate {
  /// Bytes of retained RAM: the gate's own and the clock's behind them.
  public static let size = recordSize + RetainedClock.size
  private static let recordSize = 48
  /// "MGAT", little endian.
  private static let magic: UInt32 = 0x5441_474D

  public let clock: RetainedClock
  private let memory: UnsafeMutableRawPointer

  /// - Parameter memory: ``size`` bytes of retained RAM, aligned to 8.
  public init(memory: UnsafeMutableRawPointer) {
    self.memory = memory
    clock = RetainedClock(memory: memory + Self.recordSize)
  }

  /// Starts a boot: after a cold start, or when either record is not intact, the gate is closed
  /// until the next lease. Call before anything else; once more during a boot only shortens a lease.
  ///
  /// - Parameter afterPowerOn: the board knows that power was away.
  public func start(afterPowerOn: Bool) {
    let isWarm = clock.start(afterPowerOn: afterPowerOn)
    guard isWarm, isIntact else {
      write(state: .suspended, dumpsPerFingerprint: 0, epoch: 0, acceptedAt: 0, expiresAt: 0)
      return
    }
  }

  /// Whether the gate is open at `monotonic` microseconds since this reset, and if not why.
  /// Callable in the fault path.
  public func state(at monotonic: UInt64) -> LeaseState {
    let now = clock.update(monotonic)
    guard isIntact, let stored = LeaseState(rawValue: bytes.load8(at: 4)) else { return .none }
    guard stored == .allowed else { return stored }
    guard !clock.hasRunBackwards, now >= bytes.load64(at: 16) else { return .clockFault }
    guard now < bytes.load64(at: 24) else { return .expired }
    return .allowed
  }

  /// Seconds for which the gate stays open; 0 when it is closed.
  public func secondsLeft(at monotonic: UInt64) -> UInt32 {
    guard state(at: monotonic) == .allowed else { return 0 }
    return wholeSeconds(bytes.load64(at: 24) - clock.update(monotonic))
  }

  /// Epoch of the last lease accepted since power-on; 0 before the first.
  public var epoch: UInt32 { isIntact ? bytes.load32(at: 8) : 0 }

  /// How many dumps of one fingerprint to keep.
  public var dumpsPerFingerprint: UInt8 {
    let asked = isIntact ? bytes.load8(at: 5) : 0
    return asked == 0 ? Self.defaultDumpsPerFingerprint : asked
  }

  /// Dumps of one fingerprint that a device keeps when the lease does not say.
  public static let defaultDumpsPerFingerprint: UInt8 = 3

  /// Crashes that were not captured for want of consent, since the last lease.
  public var uncapturedCrashes: UInt32 { isIntact ? bytes.load32(at: 12) : 0 }

  /// Counts a crash that was not captured for want of consent. Callable in the fault path.
  public func countUncaptured() {
    if !isIntact {
      write(state: .none, dumpsPerFingerprint: 0, epoch: 0, acceptedAt: 0, expiresAt: 0)
    }
    let count = bytes.load32(at: 12)
    if count < .max { memory.store32(count + 1, at: 12) }
    seal()
  }

  /// Holds a lease against this device and the nonce it asked with, and takes it over.
  ///
  /// - Parameter monotonic: microseconds since this reset; the lifetime counts from here.
  public func accept(
    _ lease: Lease, deviceID: InlineArray<64, UInt8>, nonce: InlineArray<16, UInt8>,
    at monotonic: UInt64
  ) throws(LeaseRefusal) {
    for i in 0..<Lease.deviceIDSize where lease.deviceID[i] != deviceID[i] {
      throw .otherDevice
    }
    for i in 0..<Lease.nonceSize where lease.nonce[i] != nonce[i] { throw .otherNonce }
    guard lease.lifetime <= Lease.longestLifetime else { throw .lifetimeTooLong }
    guard lease.epoch >= epoch else { throw .olderEpoch }
    // What the clock has counted means nothing after a fault; the new lease counts from zero.
    if clock.hasRunBackwards { clock.restart(at: monotonic) }
    let now = clock.update(monotonic)
    write(
      state: lease.isAllowed ? .allowed : .denied, dumpsPerFingerprint: lease.dumpsPerFingerprint,
      epoch: lease.epoch, acceptedAt: now,
      expiresAt: lease.isAllowed ? now &+ UInt64(widening: lease.lifetime) &* 1_000_000 : now)
  }

  private var bytes: UnsafeRawPointer { UnsafeRawPointer(memory) }

  private var isIntact: Bool {
    bytes.load32(at: 0) == Self.magic && bytes.load32(at: 44) == checksum
  }

  private var checksum: UInt32 {
    CRC32C.checksum(UnsafeRawBufferPointer(start: memory, count: 44))
  }

  private func seal() { memory.store32(checksum, at: 44) }

  private func write(
    state: LeaseState, dumpsPerFingerprint: UInt8, epoch: UInt32, acceptedAt: UInt64,
    expiresAt: UInt64
  ) {
    memory.store32(Self.magic, at: 0)
    memory.store8(state.rawValue, at: 4)
    memory.store8(dumpsPerFingerprint, at: 5)
    memory.store16(0, at: 6)
    memory.store32(epoch, at: 8)
    memory.store32(0, at: 12)
    memory.store64(acceptedAt, at: 16)
    memory.store64(expiresAt, at: 24)
    memory.store32(0, at: 32)
    memory.store32(0, at: 36)
    memory.store32(0, at: 40)
    seal()
  }
}
