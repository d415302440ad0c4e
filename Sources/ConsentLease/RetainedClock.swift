// Uptime that goes on over warm resets: what a lease is counted in.

import DumpFormat

/// The device's uptime since power-on, kept in RAM that a warm reset keeps.
///
/// The board counts from each reset only, so the clock keeps the sum of the boots before. The
/// microseconds between the last ``update(_:)`` and a reset are not counted; updates come with every
/// poll and with every crash, and the gate's margin is hours.
///
/// 32 bytes: magic (4), flags (4: bit 0 the clock went backwards), uptime at the start of this boot
/// (8), uptime at the last update (8), reserved (4), CRC-32C of the 28 before (4).
public struct RetainedClock {
  /// Bytes of retained RAM.
  public static let size = 32
  /// "MCLK", little endian.
  private static let magic: UInt32 = 0x4B4C_434D

  private let memory: UnsafeMutableRawPointer

  /// - Parameter memory: ``size`` bytes of retained RAM.
  public init(memory: UnsafeMutableRawPointer) { self.memory = memory }

  /// Starts a boot. Returns whether the uptime goes on from the boot before; if not, this was a cold
  /// start of unknown length and the uptime counts from zero.
  ///
  /// - Parameter afterPowerOn: power was away. RAM may have kept its content all the same, but
  ///   nobody knows for how long.
  public func start(afterPowerOn: Bool) -> Bool {
    let isWarm = !afterPowerOn && isIntact
    let base = isWarm ? UnsafeRawPointer(memory).load64(at: 16) : 0
    let flags = isWarm ? UnsafeRawPointer(memory).load32(at: 4) : 0
    memory.store32(Self.magic, at: 0)
    memory.store32(flags, at: 4)
    memory.store64(base, at: 8)
    memory.store64(base, at: 16)
    memory.store32(0, at: 24)
    seal()
    return isWarm
  }

  /// Brings the uptime up to date and returns it, microseconds since power-on.
  ///
  /// - Parameter monotonic: microseconds since this reset. A value that lies before an earlier one
  ///   sets ``hasRunBackwards`` for good and leaves the uptime as it was.
  @discardableResult
  public func update(_ monotonic: UInt64) -> UInt64 {
    let bytes = UnsafeRawPointer(memory)
    let last = bytes.load64(at: 16)
    guard isIntact else {
      markFault()
      return last
    }
    // Wraps: after ``restart(at:)`` the start of this boot lies before zero.
    let now = bytes.load64(at: 8) &+ monotonic
    guard now >= last else {
      markFault()
      return last
    }
    memory.store64(now, at: 16)
    seal()
    return now
  }

  /// The clock went backwards, or its memory was overwritten, at some time since power-on.
  public var hasRunBackwards: Bool {
    !isIntact || UnsafeRawPointer(memory).load32(at: 4) & 1 != 0
  }

  /// Forgets a fault of the clock and everything it has counted: uptime is zero now.
  public func restart(at monotonic: UInt64) {
    memory.store32(0, at: 4)
    memory.store64(0 &- monotonic, at: 8)
    memory.store64(0, at: 16)
    seal()
  }

  private var isIntact: Bool {
    let bytes = UnsafeRawPointer(memory)
    return bytes.load32(at: 0) == Self.magic && bytes.load32(at: 28) == checksum
  }

  private var checksum: UInt32 {
    CRC32C.checksum(UnsafeRawBufferPointer(start: memory, count: 28))
  }

  private func markFault() {
    memory.store32(Self.magic, at: 0)
    memory.store32(1, at: 4)
    seal()
  }

  private func seal() { memory.store32(checksum, at: 28) }
}

/// Whole seconds in `microseconds`; `UInt32.max` when there are more. It subtracts powers of two, so
/// that a device without a 64-bit division needs none.
public func wholeSeconds(_ microseconds: UInt64) -> UInt32 {
  var rest = microseconds
  var seconds: UInt32 = 0
  var step: UInt32 = 1 << 31
  while step > 0 {
    let part = UInt64(widening: step) * 1_000_000
    if rest >= part {
      rest -= part
      seconds += step
    }
    step >>= 1
  }
  return rest >= 1_000_000 ? .max : seconds
}
