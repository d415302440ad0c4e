// A board inside the test process, on which device modules run unchanged.

import BoardHAL
import BoardHost

/// An emulated board: NOR flash, RAM, serial line, clock and watchdog, hostile on command.
///
/// Device modules reach it through the HAL inside ``run(_:)``. Time passes only when the test says
/// so, and chance comes from the configuration's seed alone. All methods may be called from any
/// thread: the board has a lock of its own, which makes the class `Sendable`.
public final class EmulatedBoard: @unchecked Sendable {
  /// How a board is made.
  public struct Configuration: Sendable {
    /// Where flash is and how it is divided. A size of 0 is a board without flash.
    public var flash: FlashGeometry
    /// A file that holds the flash's contents and outlives the process; `nil`: memory.
    public var norFile: String?
    /// Board address and bytes of RAM.
    public var ramStart: UInt32
    public var ramSize: UInt32
    /// Board address and bytes of code.
    public var codeStart: UInt32
    public var codeSize: UInt32
    /// Bytes, at least 3,584, a multiple of 8.
    public var retainedSize: UInt32
    /// Bytes, at least 1,408, a multiple of 8.
    public var workingSize: UInt32
    /// Bytes, at least 4,096, a multiple of 8.
    public var scratchSize: UInt32
    /// Bytes the line takes before the board's writes become partial.
    public var toHostCapacity: UInt32
    /// Bytes the line takes before the host's bytes are lost.
    public var toBoardCapacity: UInt32
    /// Everything that is left to chance follows from it.
    public var seed: UInt64
    /// Whether `halEntropy` is supported.
    public var hasEntropy: Bool
    /// Whether `halWatchdogStart` is supported.
    public var hasWatchdog: Bool

    /// 4 MiB of NOR in memory with the ring at 0x100000 (256 KiB) and the state at 0x0F0000
    /// (20 KiB), 64 KiB of RAM at 0x20000000, 64 KiB of code at 0, 4 KiB retained, 1 KiB working,
    /// 4 KiB of scratch.
    public init(seed: UInt64 = 1) {
      let defaults = martlet_host_default_config()
      flash = defaults.flash
      norFile = nil
      ramStart = defaults.ram_start
      ramSize = defaults.ram_size
      codeStart = defaults.code_start
      codeSize = defaults.code_size
      retainedSize = defaults.retained_size
      workingSize = defaults.working_size
      scratchSize = defaults.scratch_size
      toHostCapacity = defaults.to_host_capacity
      toBoardCapacity = defaults.to_board_capacity
      self.seed = seed
      hasEntropy = defaults.has_entropy
      hasWatchdog = defaults.has_watchdog
    }

    /// The configuration in C, without the file's name.
    var shim: martlet_host_config {
      var config = martlet_host_default_config()
      config.flash = flash
      config.ram_start = ramStart
      config.ram_size = ramSize
      config.code_start = codeStart
      config.code_size = codeSize
      config.retained_size = retainedSize
      config.working_size = workingSize
      config.scratch_size = scratchSize
      config.to_host_capacity = toHostCapacity
      config.to_board_capacity = toBoardCapacity
      config.seed = seed
      config.has_entropy = hasEntropy
      config.has_watchdog = hasWatchdog
      return config
    }
  }

  /// The board in C. Valid as long as this object.
  let board: OpaquePointer
  /// How the board was made.
  public let configuration: Configuration

  /// Makes a board and powers it on.
  ///
  /// - Throws: ``EmulatedBoardError`` when the configuration cannot be met.
  public init(_ configuration: Configuration = Configuration()) throws(EmulatedBoardError) {
    var config = configuration.shim
    var problem: UnsafePointer<CChar>?
    let made: OpaquePointer?
    if let file = configuration.norFile {
      made = file.withCString { path in
        config.nor_path = path
        return martlet_host_create(&config, &problem)
      }
    } else {
      made = martlet_host_create(&config, &problem)
    }
    guard let made else {
      throw EmulatedBoardError(
        code: .cannotBeMade,
        message: problem.map { String(cString: $0) } ?? "the board could not be made",
        remedy: "Change EmulatedBoard.Configuration accordingly.")
    }
    board = made
    self.configuration = configuration
  }

  deinit {
    martlet_host_destroy(board)
  }

  // MARK: - Running device code

  /// Runs `body` with this board as the one that HAL calls act on, on this thread, and puts back
  /// the one before. Calls may be nested. A write of `body` to guarded memory that was not open is
  /// counted in `counters.guardViolations`.
  public func run<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let before = martlet_host_select(board)
    defer {
      martlet_host_check_guard(board)
      martlet_host_select(before)
    }
    return try body()
  }

  /// Runs `body` as the board's fault entry would: this board selected, in the fault context, and a
  /// reset with cause `fault` behind it. HAL calls that the fault context may not use are refused
  /// and counted in `counters.contextViolations`.
  public func runFault<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try run { () throws(Failure) -> Result in
      let before = martlet_host_set_fault_context(board, true)
      defer {
        martlet_host_set_fault_context(board, before)
        // A cut inside `body` leaves the board off, and a reset it asked for stands.
        halReset(.fault)
      }
      return try body()
    }
  }
}
