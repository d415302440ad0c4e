// The clock and the watchdog of an emulated board.

import BoardHost

extension EmulatedBoard {
  /// What the clock shows, microseconds since the start. Reading it here moves nothing.
  public var clock: UInt64 { martlet_host_clock(board) }

  /// Lets time pass. A watchdog may warn and bite. A board that is not running has no time.
  public func advance(by duration: Duration) {
    martlet_host_advance(board, UInt64(max(0, duration.microseconds)))
  }

  /// Sets what the clock shows, forward or back. The watchdog counts by itself.
  public func setClock(to microseconds: UInt64) {
    martlet_host_set_clock(board, microseconds)
  }

  /// Moves what the clock shows at its n-th read from now, from 1; 0 disarms.
  public func injectClockJump(by duration: Duration, atRead read: Int = 1) {
    martlet_host_jump_clock(board, duration.microseconds, UInt64(max(0, read)))
  }

  /// Whether flash operations take the time the datasheet gives: 0.4 ms a page, 45 ms a sector,
  /// 0.16 us a byte read.
  public func setFlashTakesTime(_ on: Bool) {
    martlet_host_set_auto_advance(board, on)
  }

  /// Lets time pass at every read of the clock by the board, so that loops which wait for it end.
  public func setClockStep(_ duration: Duration) {
    martlet_host_set_clock_step(board, UInt64(max(0, duration.microseconds)))
  }

  /// Whether the clock follows the real one, for live use.
  public func setFollowsRealTime(_ on: Bool) {
    martlet_host_follow_real_time(board, on)
  }

  /// Time until the watchdog bites; `nil` when it is not running.
  public var watchdogLeft: Duration? {
    let left = martlet_host_watchdog_left(board)
    return left == .max ? nil : .microseconds(Int64(clamping: left))
  }

  /// Runs `body` with `handler` as what the watchdog's early warning enters: called on the thread
  /// that let time pass, with the board selected and in the fault context. When the handler
  /// returns, the board resets with cause `fault`.
  public func withWarningHandler<Result, Failure: Error>(
    _ handler: @escaping () -> Void, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let box = WarningHandler(handler)
    let context = Unmanaged.passUnretained(box).toOpaque()
    martlet_host_on_warning(
      board,
      { if let p = $0 { Unmanaged<WarningHandler>.fromOpaque(p).takeUnretainedValue().run() } },
      context)
    defer {
      martlet_host_on_warning(board, nil, nil)
      withExtendedLifetime(box) {}
    }
    return try body()
  }
}

/// What a C function pointer can carry a Swift closure in.
private final class WarningHandler {
  let run: () -> Void
  init(_ run: @escaping () -> Void) { self.run = run }
}

extension Duration {
  /// Whole microseconds, rounded towards zero.
  var microseconds: Int64 {
    let parts = components
    return parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
  }
}
