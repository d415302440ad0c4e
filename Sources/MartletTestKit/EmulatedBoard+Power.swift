// Power, resets and counters of an emulated board.

import BoardHAL
import BoardHost

/// Running, waiting for a warm reset, or without power.
public typealias BoardState = HostBoardState
/// What an emulated board has counted.
public typealias BoardCounters = HostBoardCounters

extension EmulatedBoard {
  /// Running, waiting for a warm reset, or without power. While it is not running, HAL operations
  /// touch nothing and answer `failed` or zero, and the clock races ahead a second a call.
  public var state: BoardState { martlet_host_get_state(board) }

  /// Why the board waits for a warm reset; `nil` when it does not.
  public var pendingReset: HALResetCause? {
    state == .reset ? martlet_host_pending_cause(board) : nil
  }

  /// Takes the power away, now.
  public func powerOff() {
    martlet_host_power_off(board)
  }

  /// Cold start, from any state: RAM and retained RAM hold noise, flash is as it was.
  public func powerCycle() {
    martlet_host_power_on(board)
  }

  /// Warm start: RAM and retained RAM are kept, working RAM is zero, time begins anew.
  ///
  /// - Parameter cause: `nil`: what the board asked for, or `external`.
  /// - Returns: `false`, and nothing happens, when the board has no power.
  @discardableResult
  public func warmReset(cause: HALResetCause? = nil) -> Bool {
    martlet_host_warm_reset(board, cause ?? pendingReset ?? .external)
  }

  /// Starts a board that is not running the way it has to be: cold after a power cut, warm after a
  /// reset it asked for. A running board goes on.
  ///
  /// - Returns: whether it was started.
  @discardableResult
  public func restart() -> Bool {
    switch state {
    case .running: return false
    case .reset: return warmReset()
    case .off:
      powerCycle()
      return true
    }
  }

  /// What was counted since the board was made or ``clearCounters()`` was called.
  public var counters: BoardCounters { martlet_host_get_counters(board) }

  /// Sets all counters to 0, those per sector too.
  public func clearCounters() {
    martlet_host_clear_counters(board)
  }

  /// Erases of the sector that holds flash offset `offset`; 0 outside the part.
  public func erases(ofSectorAt offset: UInt32) -> Int {
    Int(martlet_host_sector_erases(board, offset))
  }
}
