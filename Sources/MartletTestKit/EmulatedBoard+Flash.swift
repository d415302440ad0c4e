// The flash of an emulated board as a test sees it: contents and faults.

import BoardHAL
import BoardHost

/// What a power cut leaves of the byte being programmed or the sector being erased.
public typealias TornState = HostTornState
/// Single flash operations that can be told to go wrong.
public typealias FlashFault = HostFlashFault
/// What a sector does when it is erased.
public typealias SectorHealth = HostSectorHealth
/// What a page does when it is programmed.
public typealias PageHealth = HostPageHealth

extension EmulatedBoard {
  /// Every torn state, for sweeps.
  public static let allTornStates: [TornState] = [.untouched, .half, .random, .unstable]

  /// Copies cells out, past every fault and counter. Drifting cells give the value they drift
  /// around.
  ///
  /// - Throws: `outOfRange`.
  public func nor(at offset: UInt32, count: Int) throws(EmulatedBoardError) -> [UInt8] {
    guard let length = UInt32(exactly: count) else { throw .outside("flash") }
    var bytes = [UInt8](repeating: 0, count: count)
    guard martlet_host_nor_get(board, offset, &bytes, length) else { throw .outside("flash") }
    return bytes
  }

  /// Puts cells in, past NOR semantics, every fault and counter.
  ///
  /// - Throws: `outOfRange`.
  public func setNor(at offset: UInt32, to bytes: [UInt8]) throws(EmulatedBoardError) {
    guard let length = UInt32(exactly: bytes.count),
      martlet_host_nor_set(board, offset, bytes, length)
    else { throw .outside("flash") }
  }

  /// The whole part.
  public func norImage() throws(EmulatedBoardError) -> [UInt8] {
    try nor(at: 0, count: Int(configuration.flash.size))
  }

  /// Flips one bit, as ageing does.
  ///
  /// - Parameter bit: counted from bit 0 of the first byte.
  /// - Throws: `outOfRange`.
  public func flipNorBit(_ bit: Int) throws(EmulatedBoardError) {
    guard let offset = UInt32(exactly: bit >> 3) else { throw .outside("flash") }
    var byte = try nor(at: offset, count: 1)
    byte[0] ^= 1 << UInt8(bit & 7)
    try setNor(at: offset, to: byte)
  }

  /// Bytes programmed and sectors erased so far: the moments at which power can be cut.
  public var cutPoints: Int { Int(counters.cutPoints) }

  /// How many cut points `body` passes, run on this board.
  public func countingCutPoints<Failure: Error>(
    _ body: () throws(Failure) -> Void
  ) throws(Failure) -> Int {
    let before = cutPoints
    try run(body)
    return cutPoints - before
  }

  /// Cuts the power at the `point`-th cut point from now.
  ///
  /// - Parameters:
  ///   - point: from 1; 0 disarms.
  ///   - torn: what is left of the byte or the sector.
  ///   - wholePage: all bytes of the page being programmed are torn, not only the one at the cut.
  public func injectPowerCut(at point: Int, torn: TornState, wholePage: Bool = false) {
    martlet_host_cut_power(board, UInt64(max(0, point)), torn, wholePage)
  }

  /// Lets one flash operation go wrong.
  ///
  /// - Parameter operation: the n-th of its sort from now, from 1; 0 disarms.
  public func inject(_ fault: FlashFault, atOperation operation: Int = 1) {
    martlet_host_arm_fault(board, fault, UInt64(max(0, operation)))
  }

  /// Sets what the sector that holds `offset` does when it is erased.
  ///
  /// - Throws: `outOfRange`.
  public func setSector(at offset: UInt32, _ health: SectorHealth) throws(EmulatedBoardError) {
    guard martlet_host_set_sector(board, offset, health) else { throw .outside("flash") }
  }

  /// Sets what the page that holds `offset` does whenever it is programmed.
  ///
  /// - Throws: `outOfRange`.
  public func setPage(at offset: UInt32, _ health: PageHealth) throws(EmulatedBoardError) {
    guard martlet_host_set_page(board, offset, health) else { throw .outside("flash") }
  }

  /// Lets bits of one byte read 0 or 1 whatever they hold; two empty masks heal it.
  ///
  /// - Throws: `invalidValue` outside the part, for a bit in both masks, or beyond 256 bytes.
  public func setStuckBits(
    at offset: UInt32, zeros: UInt8 = 0, ones: UInt8 = 0
  ) throws(EmulatedBoardError) {
    guard martlet_host_set_stuck(board, offset, zeros, ones) else {
      throw EmulatedBoardError(
        code: .invalidValue, message: "byte \(offset) cannot be stuck that way",
        remedy: "Stay inside the flash, in one mask a bit, and below 257 bytes.")
    }
  }

  /// Lets every read that touches the range fail; `nil` ends it.
  public func setUnreadable(_ range: Range<UInt32>?) {
    martlet_host_set_unreadable(board, range?.lowerBound ?? 0, UInt32(range?.count ?? 0))
  }
}

extension EmulatedBoardError {
  /// The error for addresses outside `part`.
  static func outside(_ part: String) -> EmulatedBoardError {
    EmulatedBoardError(
      code: .outOfRange, message: "the range lies outside the board's \(part)",
      remedy: "Compare it with EmulatedBoard.Configuration.")
  }
}
